"""NRRD and MetaImage label maps, written by hand: both hold any affine as text with all its digits, sheared or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label
from napari_segsam.io.atomic import write_bytes
from napari_segsam.io.labels.slicer_segments import segment_lines
from napari_segsam.io.labels.voxel_bytes import Stored, gzipped

_TYPES = {1: ("unsigned char", "MET_UCHAR"), 2: ("unsigned short", "MET_USHORT")}


def write_nrrd_labels(path: Path, stored: Stored, grid: Grid, labels: Mapping[int, Label], note: str) -> None:
    """Write (nk, nj, ni) labels as gzip NRRD; the header says what they are as 3D Slicer does in a .seg.nrrd.

    A ``note`` becomes its field ``content``.
    """
    vectors = " ".join(_vector(column) for column in grid.affine[:3, :3].T)
    lines = [
        "NRRD0004",
        f"type: {_TYPES[stored.dtype.itemsize][0]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in grid.shape)}",
        f"space directions: {vectors}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(grid.affine[:3, 3])}",
        *([f"content: {note}"] if note else []),
        *segment_lines(stored, labels),
    ]
    write_bytes(path, ("\n".join(lines) + "\n\n").encode(), *gzipped(stored))


def write_meta_labels(path: Path, stored: Stored, grid: Grid, note: str) -> None:
    """Write (nk, nj, ni) labels as an .mha file; a ``note`` becomes its field ``Comment``."""
    directions = (grid.affine[:3, :3] / np.array(grid.spacing_mm)).T  # one row per voxel axis
    lines = [
        "ObjectType = Image",
        *([f"Comment = {note}"] if note else []),
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = False",
        f"TransformMatrix = {_numbers(directions.ravel())}",
        f"Offset = {_numbers(grid.affine[:3, 3])}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {_numbers(np.array(grid.spacing_mm))}",
        f"DimSize = {' '.join(str(n) for n in grid.shape)}",
        f"ElementType = {_TYPES[stored.dtype.itemsize][1]}",
        "ElementDataFile = LOCAL",
    ]
    write_bytes(path, ("\n".join(lines) + "\n").encode(), stored.data)


def _vector(numbers: NDArray[np.float64]) -> str:
    return "(" + ",".join(repr(float(n)) for n in numbers) + ")"


def _numbers(numbers: NDArray[np.float64]) -> str:
    return " ".join(repr(float(n)) for n in numbers)
