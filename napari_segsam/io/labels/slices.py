"""Slices: what contours and segmentations are drawn on, in plain values that a reading process can be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segsam.core.grid import Grid
from napari_segsam.io.dicom.made_up import UNPLACED

if TYPE_CHECKING:
    from napari_segsam.io.dicom.source import Source

_MADE_UP = "2.25."
"""What UIDs begin with that no institution gave (PS3.5 B.2)."""


@dataclass(frozen=True)
class Slices:
    """The slices of a scan.

    Attributes:
        shape: voxels along i, j, k.
        affine: four rows of four, voxel index -> LPS millimetres, as ``Grid.affine``.
        images: SOP Instance UID and number of the frame, from 1, of each slice's image; empty where there are none.
        frame_of_reference: UID of that which labels must be drawn in; empty where any will do.
        placed: whether the images say where they lie.
    """

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, ...], ...]
    images: tuple[tuple[str, int], ...]
    frame_of_reference: str
    placed: bool = True

    @classmethod
    def of(cls, source: Source | None, grid: Grid) -> Slices:
        """Those of a scan on ``grid``, with the images of ``source`` where there are some.

        A frame of reference that was made up, as for a scan that was converted from DICOM, is not asked for.
        """
        made_up = source is not None and source.made_up and grid.frame_of_reference.startswith(_MADE_UP)
        of_each = zip(source.headers, source.frames, strict=True) if source else ()
        return cls(
            grid.shape,
            tuple(map(tuple, grid.affine.tolist())),
            tuple((str(header.get("SOPInstanceUID") or ""), frame) for header, frame in of_each),
            "" if made_up else grid.frame_of_reference,
            source is None or UNPLACED not in source.made_up,
        )

    @property
    def grid(self) -> Grid:
        """Where their voxels lie."""
        return Grid(self.shape, np.array(self.affine))
