"""Maps of real numbers on a scan's own grid, as NIfTI files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.grid import Grid
from napari_segsam.io.atomic import replacing

MAP_SUFFIXES = (".nii.gz", ".nii")


def write_map(path: Path, values: NDArray[np.float32], grid: Grid, *, resampled: str = "") -> None:
    """Write beside the place, read back, compare, then rename.

    Args:
        path: where to; ends as :data:`MAP_SUFFIXES` has it.
        values: (ni, nj, nk), finite.
        grid: of the scan that they belong to.
        resampled: what the scan's Volume says of itself; the file records it.

    Raises:
        WriteError: it could not be written, or did not read back equal. What was there is unchanged.
    """
    from napari_segsam.io.labels.nifti import write_nifti_labels
    from napari_segsam.io.labels.proof import prove_image  # with SimpleITK, which proves what is written

    stored: Any = np.ascontiguousarray(values.T, "<f4")  # (nk, nj, ni), as label maps are stored, which are no floats
    with replacing(path) as (beside,):
        write_nifti_labels(beside, stored, grid, resampled)
        prove_image(beside, path.name, stored, grid)
