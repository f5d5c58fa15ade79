"""The text before an NRRD file's voxels (http://teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.images.layout import Layout, Packed, Steps
from napari_segsam.io.images.nrrd_space import per_axis, placed
from napari_segsam.io.images.text_header import bad_field, header_lines, put_once, sizes, voxels_beside, whole

_MAGIC = re.compile(r"NRRD000[1-9]")
_LINE = re.compile(r"([^:#][^:]*)(: |:=)(.*)")
_SAME_FIELD = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}
_ENCODINGS = {
    "raw": "raw",
    "hex": "hex",
    **dict.fromkeys(("txt", "text", "ascii"), "ascii"),
    **dict.fromkeys(("gz", "gzip"), "gzip"),
    **dict.fromkeys(("bz2", "bzip2"), "bzip2"),
}
_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "signed long long int"), "i8"),
    **dict.fromkeys(("int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
_COLOURS = ("rgb-color", "rgba-color", "3-color", "4-color", "vector")  # vector: what ITK calls colours of 8 bits
_MOST_AXES = 16


@dataclass(frozen=True)
class NrrdText:
    """The header, not yet understood.

    Attributes:
        fields: lower-case name -> description.
        pairs: key -> value, which are the writing program's own.
        end: the byte behind the empty line; None where the file ends first.
    """

    fields: Mapping[str, str]
    pairs: Mapping[str, str]
    end: int | None


def nrrd_layout(path: Path) -> Layout:
    """What the header of an .nrrd or .nhdr file says.

    Raises:
        UnreadableInputError: no NRRD header, a damaged one, voxels in several files or outside its folder, or of a
            kind that is no image.
    """
    text = read_nrrd_text(path)
    fields, name = text.fields, path.name
    count = whole(fields.get("dimension", ""), "dimension", name)
    if not 1 <= count <= _MOST_AXES:
        raise bad_field("dimension", name)
    stored = sizes(fields.get("sizes", ""), count, "sizes", name)
    encoding = _encoding(fields, name)
    dtype = _dtype(fields, encoding, name)
    place = placed(fields, stored, name)
    return Layout(
        path,
        place.grid,
        dtype,
        stored,
        place.space,
        _colour(fields, stored, place.space, dtype, name),
        _packed(path, text, encoding, math.prod(stored) * dtype.itemsize),
        _steps(text, stored, place.space, name),
        warnings=place.warnings,
    )


def read_nrrd_text(path: Path) -> NrrdText:
    """The header's lines, told apart.

    Raises:
        UnreadableInputError: this is no NRRD file, or it says something twice.
    """
    lines = header_lines(path)
    if not any(_MAGIC.fullmatch(line) for line, _ in islice(lines, 1)):
        raise UnreadableInputError(f"{path.name} is not an NRRD file; check it or convert it again.")
    fields: dict[str, str] = {}
    pairs: dict[str, str] = {}
    for line, end in lines:
        if not line:
            return NrrdText(fields, pairs, end)
        if found := _LINE.fullmatch(line):
            key, mark, value = found.groups()
            if mark == ":=":
                pairs[key] = value
            else:
                put_once(fields, _SAME_FIELD.get(key.lower(), key.lower()), value.strip(), path.name)
    return NrrdText(fields, pairs, None)


def _encoding(fields: Mapping[str, str], name: str) -> str:
    said = fields.get("encoding", "").lower()
    if said not in _ENCODINGS:
        raise UnreadableInputError(f"{name}: NRRD encoding '{said[:40]}' is not known; save it as gzip or raw.")
    return _ENCODINGS[said]


def _dtype(fields: Mapping[str, str], encoding: str, name: str) -> np.dtype[Any]:
    said = fields.get("type", "").lower()
    if said not in _TYPES:
        raise UnreadableInputError(f"{name}: voxels of NRRD type '{said[:40]}' cannot be shown; convert them.")
    dtype = np.dtype(_TYPES[said])
    if dtype.itemsize == 1 or encoding == "ascii":
        return dtype
    endian = fields.get("endian", "").lower()
    if endian not in ("little", "big"):
        raise bad_field("endian", name)
    return dtype.newbyteorder("<" if endian == "little" else ">")


def _colour(
    fields: Mapping[str, str], stored: tuple[int, ...], space: tuple[int, ...], dtype: np.dtype[Any], name: str
) -> int | None:
    kinds = per_axis(fields, "kinds", len(stored), name)
    found = (a for a, kind in enumerate(kinds) if kind.lower() in _COLOURS and a not in space and stored[a] in (3, 4))
    return next(found, None) if dtype == np.uint8 else None


def _packed(path: Path, text: NrrdText, encoding: str, length: int) -> Packed:
    fields, name = text.fields, path.name
    named = fields.get("data file")
    if named is None and text.end is None:
        raise UnreadableInputError(f"{name} is cut short: its header has no end; copy it again.")
    data, start = (path, text.end or 0) if named is None else (voxels_beside(path, named), 0)
    start = _behind_lines(data, start, whole(fields.get("line skip", "0"), "line skip", name), name)
    skip = whole(fields.get("byte skip", "0"), "byte skip", name)
    if skip == -1 and encoding == "raw":  # the voxels end the file, whatever comes before
        start, skip = max(start, data.stat().st_size - length), 0
    if skip < 0:
        raise bad_field("byte skip", name)
    return Packed(data, start, encoding, skip)


def _behind_lines(data: Path, start: int, count: int, name: str) -> int:
    if count < 0:
        raise bad_field("line skip", name)
    with data.open("rb") as file:
        file.seek(start)
        while count and (line := file.readline(1 << 20)):
            count -= line.endswith(b"\n")
        return file.tell()


def _steps(text: NrrdText, stored: tuple[int, ...], space: tuple[int, ...], name: str) -> dict[int, Steps]:
    """What the axes beyond space are: 3D Slicer's MultiVolume keys, else the axis's own label or kind."""
    kinds = per_axis(text.fields, "kinds", len(stored), name)
    labels = re.findall(r'"([^"]*)"', text.fields.get("labels", ""))
    found = {}
    for axis in (a for a in range(len(stored)) if a not in space):
        label = labels[axis] if len(labels) == len(stored) else ""
        kind = {"time": "time", "vector": "vector component"}.get(kinds[axis].lower(), "volume")
        found[axis] = _multi_volume(text.pairs, stored[axis]) or Steps(label or kind)
    return found


def _multi_volume(pairs: Mapping[str, str], count: int) -> Steps | None:
    labels = tuple(v.strip() for v in pairs.get("MultiVolume.FrameLabels", "").split(","))
    if len(labels) != count:
        return None
    unit = pairs.get("MultiVolume.FrameIdentifyingDICOMTagUnits", "")
    name = pairs.get("MultiVolume.FrameIdentifyingDICOMTagName", "") or "volume"
    return Steps(name, tuple(f"{label} {unit}".rstrip() for label in labels))
