"""Frame: one 2D image of a DICOM file, and how its numbers become intensities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from napari_segsam.io.dicom.header import File


@dataclass(frozen=True, eq=False)
class Frame:
    """One 2D image: a file, a frame of a multi-frame file, or a tile of a mosaic.

    Attributes:
        file: which it is part of.
        number: which frame of the file, from 0.
        tile: first row and column in the frame, where it is a tile of a mosaic.
        rows, cols: its size.
        position: (x, y, z) LPS millimetres of the first voxel's centre, None where the file does not say.
        orientation: direction cosines of a row and of a column (of growing column and row index), None likewise.
        spacing: millimetres between rows and between columns, None likewise.
        thickness: millimetres, 0 where the file does not say.
        slope, intercept: stored number -> intensity.
        traits: what may tell apart frames that lie at the same position, e.g. ``{"echo time": "4.92"}``.
        notes: what to know about where it lies, a sentence each.
    """

    file: File
    number: int
    tile: tuple[int, int] | None
    rows: int
    cols: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    thickness: float
    slope: float
    intercept: float
    traits: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Of its file."""
        return self.file.path

    @property
    def header(self) -> Dataset:
        """Of its file, shared by the file's frames."""
        return self.file.header

    @property
    def is_placed(self) -> bool:
        """Whether the file says where it lies."""
        return self.position is not None and self.orientation is not None
