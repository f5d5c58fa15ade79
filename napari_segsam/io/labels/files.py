"""Label maps: written completely or not at all, and read back by another library before anyone hears "done"."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_segsam.core.errors import SegsamError, UnreadableInputError, WriteError
from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.core.labels import MAX_LABEL, Label, LabelMap
from napari_segsam.io.atomic import replacing, write_bytes
from napari_segsam.io.images.nifti import read_nifti, write_nifti_labels
from napari_segsam.io.images.nrrd import (
    itk_grid,
    itk_voxels,
    read_itk,
    segment_names,
    write_meta_labels,
    write_nrrd_labels,
)
from napari_segsam.io.intensities import Voxels
from napari_segsam.io.labels.names import names_path, names_text, read_names

_TOLERANCE_MM = 1e-3
_UNREADABLE = (SegsamError, ImageFileError, HeaderDataError, RuntimeError, ValueError, EOFError, zlib.error)
LABEL_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def write_labels(path: Path, labels: LabelMap, names: Mapping[int, str] | None = None) -> None:
    """Write a label map on its own grid, and ``<file>.labels.json`` beside it.

    Args:
        path: ends in .nii.gz, .nii, .nrrd or .mha.
        labels: voxels are stored in the smallest unsigned type that holds them.
        names: value -> class name; those of ``labels`` where None.

    Raises:
        WriteError: unknown suffix, or it could not be written, or did not read back equal. What was there is unchanged.
    """
    suffix = next((s for s in LABEL_SUFFIXES if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise WriteError(
            f"{path.name}: a label map is written as {', '.join(LABEL_SUFFIXES)}; choose one of these suffixes."
        )
    known = {v: label.name for v, label in labels.labels.items()} if names is None else dict(names)
    voxels = labels.voxels.astype(np.uint8) if labels.voxels.max() <= np.iinfo(np.uint8).max else labels.voxels
    with replacing(path, names_path(path)) as (beside, names_beside):
        _write(beside, suffix, voxels, labels.grid, known)
        _check(beside, path.name, voxels, labels.grid)
        write_bytes(names_beside, names_text(known))


def read_labels(path: Path) -> LabelMap:
    """Read a label map and the names of its values.

    Raises:
        UnreadableInputError: no label map: colours, fractions, or values outside 0..65535.
    """
    grid, voxels, names = _read(path)
    whole = voxels.dtype.kind in "iu" or bool((voxels == np.rint(voxels)).all())
    if voxels.ndim != 3 or not whole or voxels.min() < 0 or voxels.max() > MAX_LABEL:
        raise UnreadableInputError(
            f"{path.name} is not a label map: its voxels are not whole numbers from 0 to {MAX_LABEL}."
        )
    values = voxels.astype(np.uint16)
    there = np.zeros(MAX_LABEL + 1, bool)
    there[values.ravel(order="K")] = True  # ten times faster than sorting them all
    found = [int(v) for v in np.flatnonzero(there) if v]
    known = read_names(path) or names
    labels = {v: Label(v, known.get(v, f"label {v}")) for v in sorted({*found, *known})}
    return LabelMap(grid, values, labels)


def _read(path: Path) -> tuple[Grid, Voxels, dict[int, str]]:
    lower = path.name.lower()
    if lower.endswith((".nii", ".nii.gz")):
        volume = read_nifti(path)
        return volume.grid, volume.voxels, {}
    if lower.endswith((".nrrd", ".nhdr", ".mha", ".mhd")):
        image = read_itk(path)
        return itk_grid(image, path.name), itk_voxels(image, path.name), segment_names(image)
    raise UnreadableInputError(f"{path.name}: a label map is read from {', '.join(LABEL_SUFFIXES)}; convert it first.")


def _write(path: Path, suffix: str, voxels: NDArray[np.unsignedinteger], grid: Grid, names: Mapping[int, str]) -> None:
    if suffix == ".nrrd":
        write_nrrd_labels(path, voxels, grid, names)
    elif suffix == ".mha":
        write_meta_labels(path, voxels, grid)
    else:
        write_nifti_labels(path, voxels, grid)


def _check(written: Path, name: str, voxels: NDArray[np.unsignedinteger], grid: Grid) -> None:
    """Compare what another library finds in the file, voxel by voxel and corner by corner."""
    try:
        found_grid, found = _read_back(written, name)
    except _UNREADABLE as error:
        raise WriteError(f"{name} was not written: it could not be read back. What was there is unchanged.") from error
    if not found_grid.matches(grid, _TOLERANCE_MM) or not np.array_equal(found, voxels):
        raise WriteError(
            f"{name} was not written: it did not read back equal. What was there is unchanged; report this."
        )


def _read_back(written: Path, name: str) -> tuple[Grid, Voxels]:
    """Through SimpleITK, which did not write it; a NIfTI affine that ITK cannot hold through nibabel."""
    if written.name.endswith((".nii", ".nii.gz")):
        nifti: Any = nib.load(written)
        if int(nifti.header["qform_code"]) == 0:
            return Grid((*nifti.shape, 1, 1)[:3], LPS_RAS @ nifti.affine), np.asanyarray(nifti.dataobj)
    image = sitk.ReadImage(str(written))
    return itk_grid(image, name), itk_voxels(image, name)
