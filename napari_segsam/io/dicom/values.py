"""Values out of a DICOM header, decoded when they are asked for."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from napari_segsam.io.dicom.damage import DAMAGE, printable

_KEPT = 1 << 14  # decoded values: enough for the many that are the same throughout a series
_SHORT = 64  # bytes of a value that is kept
_SELF_CONTAINED = frozenset(("CS", "DS", "FD", "FL", "IS", "SL", "TM", "UI", "UL", "US"))
"""Value representations whose bytes mean the same in every header."""


@cache
def _tag(keyword: str) -> tuple[BaseTag, bool]:
    """An element's tag, and whether its bytes say all of its value, with no character set or sign from elsewhere."""
    tag = Tag(keyword)
    return tag, dictionary_VR(tag) in _SELF_CONTAINED


def value(header: Dataset, keyword: str) -> Any:
    """What an element holds, None where it is not there.

    Raises:
        Exception: one of `damage.DAMAGE`, where it is damaged.
    """
    tag, kept = _tag(keyword)
    element: DataElement | RawDataElement | None = header.get_item(tag)
    if kept and isinstance(element, RawDataElement) and element.value is not None and len(element.value) <= _SHORT:
        return _decoded(tag, element.VR, element.value, element.is_implicit_VR, element.is_little_endian)
    return None if element is None else header[tag].value


@lru_cache(_KEPT)
def _decoded(tag: BaseTag, vr: str | None, data: bytes, implicit: bool, little: bool) -> Any:
    return convert_raw_data_element(RawDataElement(tag, vr, len(data), data, 0, implicit, little)).value


def numbers(found: Any, count: int) -> tuple[float, ...] | None:
    """A value as ``count`` floats, None where it is empty.

    Raises:
        ValueError: it is something else.
    """
    if found is None or found == "":
        return None
    made = tuple(float(v) for v in found)
    if len(made) != count or not all(map(math.isfinite, made)):
        raise ValueError(f"{len(made)} numbers instead of {count}")
    return made


def number(found: Any, otherwise: float) -> float:
    """A value as a float, ``otherwise`` where it is empty.

    Raises:
        ValueError: it is something else.
    """
    made = otherwise if found in (None, "") else float(found)
    if not math.isfinite(made):
        raise ValueError("not a number")
    return made


def said(header: Dataset, keyword: str) -> str:
    """An element that only describes or tells apart, printable, several values joined as in the file.

    Empty where it is not there, or damaged: nothing depends on it.
    """
    try:
        found = value(header, keyword)
    except DAMAGE:
        return ""
    if found is None:
        return ""
    several = hasattr(found, "__iter__") and not isinstance(found, str)
    return printable("\\".join(str(v) for v in found) if several else str(found))
