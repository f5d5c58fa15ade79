"""NIfTI files as tests need them: nibabel's, with header fields of the test's own."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.grid import LPS_RAS
from tests.core.grids import affine_of


def saved(path: Path, array: NDArray, lps: NDArray[np.float64] | None = None, **header: object) -> Path:  # type: ignore[type-arg]
    """A file by nibabel, with these header fields set afterwards, unscaled; in millimetres where they do not say."""
    image = nib.Nifti1Image(array, LPS_RAS @ (affine_of("LPS") if lps is None else lps), dtype=array.dtype)
    blob = bytearray(image.to_bytes())
    raw = nib.Nifti1Header(bytes(blob[:348]))
    for key, value in {"xyzt_units": 2, **header}.items():
        raw[key] = value
    blob[:348] = raw.binaryblock
    path.write_bytes(gzip.compress(bytes(blob), 1) if path.suffix == ".gz" else bytes(blob))
    return path


def with_type(path: Path, code: int, voxels: bytes, shape: tuple[int, ...] = (2, 2, 2)) -> Path:
    """A file whose voxels are these bytes, of a type that nibabel may not write."""
    whole = bytearray(saved(path, np.zeros(shape, np.uint8), datatype=code, bitpix=8 * len(voxels) // 8).read_bytes())
    path.write_bytes(whole[:352] + voxels)
    return path
