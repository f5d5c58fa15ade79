"""Items of a Segment Sequence (PS3.3 C.8.20.4): what a segment is, how it is tracked, and who drew it."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

from napari_segsam.core.labels import Label, Tracking
from napari_segsam.core.maker import MAKER_KINDS, Maker
from napari_segsam.core.terminology import Coding
from napari_segsam.io.labels.items import code_in

_LONGEST = 64  # characters of an algorithm's name and version
_NOT_STATED = "not stated"


def label_of(item: Dataset, value: int) -> Label:
    """What a segment is, with ``value`` in the label map; of several regions that it lies in, the first."""
    name = _text(item.get("SegmentLabel")) or f"label {value}"
    return Label(value, name, _coding(item), _tracking(item))


def maker_of(item: Dataset) -> Maker | None:
    """Who drew it, None where the file does not say."""
    kind = str(item.get("SegmentAlgorithmType") or "")
    if kind not in MAKER_KINDS:
        return None
    if kind == "MANUAL":
        return Maker(kind)
    said = _first(item, "SegmentationAlgorithmIdentificationSequence")
    name = (_text(item.get("SegmentAlgorithmName")) or _text(said.get("AlgorithmName")))[:_LONGEST] or _NOT_STATED
    family, version = code_in(said, "AlgorithmFamilyCodeSequence"), _text(said.get("AlgorithmVersion"))[:_LONGEST]
    return Maker(kind, name, version, family) if family and version else Maker(kind, name, "")


def _coding(item: Dataset) -> Coding | None:
    category = code_in(item, "SegmentedPropertyCategoryCodeSequence")
    kind = code_in(item, "SegmentedPropertyTypeCodeSequence")
    if category is None or kind is None:
        return None
    return Coding(
        category,
        kind,
        code_in(item.SegmentedPropertyTypeCodeSequence[0], "SegmentedPropertyTypeModifierCodeSequence"),
        code_in(item, "AnatomicRegionSequence"),
        code_in(_first(item, "AnatomicRegionSequence"), "AnatomicRegionModifierSequence"),
    )


def _tracking(item: Dataset) -> Tracking | None:
    """Both of its names or none, as DICOM asks."""
    name, uid = _text(item.get("TrackingID")), str(item.get("TrackingUID") or "")
    return Tracking(name, uid) if name and UID(uid).is_valid else None


def _first(item: Dataset, keyword: str) -> Dataset:
    """The first item of a sequence, an empty one where it has none."""
    found = item.get(keyword)
    return found[0] if found else Dataset()


def _text(said: Any) -> str:
    """What an element says in one line, empty where it is not there."""
    return "".join(c if c.isprintable() and c != "\\" else " " for c in str(said or "")).strip()
