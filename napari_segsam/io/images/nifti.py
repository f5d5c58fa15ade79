"""NIfTI: scans in, label maps out, both on exactly the affine that the file holds.

Headers are read with nibabel and the affine is taken from them as it is: ITK replaces a sheared sform by the nearest
orthonormal one without a word, which moves voxels by millimetres.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.core.volume import Volume, infer_modality
from napari_segsam.io.atomic import write_bytes
from napari_segsam.io.images.compressed import read_whole
from napari_segsam.io.images.nifti_header import HEAD_BYTES, Header, NiftiLayout, read_layout
from napari_segsam.io.intensities import Voxels, finite, narrowed, rescaled

_NIFTI1_LARGEST = np.iinfo(np.int16).max
_SCANNER = 1  # qform and sform code: coordinates of the scanner
_QFORM_MM = 2e-4  # a qform is written only where it says the same as the sform


def read_nifti(path: Path) -> Volume:
    """Read a 2D or 3D NIfTI-1 or -2 file, plain or gzip, to its last byte.

    Raises:
        UnreadableInputError: damaged, cut short, 4D, or no NIfTI file.
    """
    layout, stored = _read(path)
    voxels = _intensities(stored, layout)
    voxels, warned = finite(voxels, path.name)
    return Volume(
        layout.grid,
        voxels,
        modality=infer_modality(voxels),
        name=path.name.removesuffix(".gz").removesuffix(".nii"),
        warnings=(*layout.warnings, *warned),
    )


def _read(path: Path) -> tuple[NiftiLayout, Voxels]:
    """The header and the stored numbers, (ni, nj, nk) or (ni, nj, nk, channels)."""
    whole = read_whole(path, HEAD_BYTES, lambda head: read_layout(head, path.name).total_bytes)
    layout = read_layout(bytes(whole[:HEAD_BYTES]), path.name)
    stored = np.frombuffer(whole, layout.dtype, offset=layout.offset)
    if layout.channels == 1:
        return layout, stored.reshape(layout.grid.shape, order="F")
    colours = stored.reshape((layout.channels, *layout.grid.shape), order="F")
    return layout, np.moveaxis(colours, 0, -1)


def _intensities(stored: Voxels, layout: NiftiLayout) -> Voxels:
    if layout.channels > 1:
        return stored[..., :3]
    return narrowed(rescaled(stored, layout.slope, layout.intercept))


def write_nifti_labels(path: Path, voxels: NDArray[np.unsignedinteger], grid: Grid) -> None:
    """Write (ni, nj, nk) labels as they are, with slope 1 and intercept 0; gzip where the name ends in .gz."""
    header = _label_header(voxels, grid)
    start = header.binaryblock.ljust(int(header["vox_offset"]), b"\0")
    data = voxels.astype(header.get_data_dtype(), copy=False).tobytes(order="F")
    if path.name.endswith(".gz"):
        # zlib writes no name and no time into the gzip header, so equal labels are equal files.
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        write_bytes(path, packer.compress(start), packer.compress(data), packer.flush())
    else:
        write_bytes(path, start, data)


def _label_header(voxels: NDArray[np.unsignedinteger], grid: Grid) -> Header:
    large = max(grid.shape) > _NIFTI1_LARGEST
    header: Header = nib.Nifti2Header() if large else nib.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype(voxels.dtype)
    header.set_data_shape(grid.shape)
    ras = LPS_RAS @ grid.affine
    header.set_qform(ras, code=_SCANNER, strip_shears=True)
    if not _says_the_same(header, ras, grid):
        header["qform_code"] = 0
        header["pixdim"][1:4] = grid.spacing_mm
    header.set_sform(ras, code=_SCANNER)
    header.set_xyzt_units("mm")
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    header["vox_offset"] = 544 if large else 352
    return header


def _says_the_same(header: Header, ras: NDArray[np.float64], grid: Grid) -> bool:
    """Whether the qform puts every voxel where the affine does; it cannot where that is sheared."""
    apart = np.abs(np.asarray(header.get_qform()) - ras) @ np.array([*grid.shape, 1.0])
    return bool(apart.max() <= _QFORM_MM)
