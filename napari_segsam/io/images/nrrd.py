"""NRRD and MetaImage: read through SimpleITK once the file has proved to be whole; label maps written by hand.

Both formats hold any affine as text with all its digits, sheared ones too.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_segsam.core.errors import GridMismatchError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.terminology import colour_of
from napari_segsam.core.volume import Volume, infer_modality
from napari_segsam.io.atomic import write_bytes
from napari_segsam.io.images.nrrd_check import check_whole
from napari_segsam.io.intensities import Voxels, finite, narrowed

ItkImage = Any
"""A SimpleITK image; its methods have no types."""

_TYPES = {1: ("unsigned char", "MET_UCHAR"), 2: ("unsigned short", "MET_USHORT")}


def read_nrrd(path: Path) -> Volume:
    """Read a 2D or 3D NRRD or MetaImage file, grey or RGB.

    Raises:
        UnreadableInputError: damaged, cut short, 4D, or of a kind that SimpleITK does not know.
    """
    image = read_itk(path)
    voxels, warnings = finite(narrowed(itk_voxels(image, path.name)), path.name)
    name = path.name.rpartition(".")[0].removesuffix(".seg")
    grid = itk_grid(image, path.name)
    return Volume(grid, voxels, modality=infer_modality(voxels), name=name, warnings=warnings)


def read_itk(path: Path) -> ItkImage:
    """The file as SimpleITK sees it.

    Raises:
        UnreadableInputError: with one sentence instead of ITK's page.
    """
    check_whole(path)
    try:
        image: ItkImage = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise UnreadableInputError(
            f"{path.name} could not be read; it is damaged or of an unusual kind: convert it."
        ) from error
    if image.GetDimension() not in (2, 3):
        raise UnreadableInputError(f"{path.name} has {image.GetDimension()} dimensions; split it and open one volume.")
    return image


def itk_voxels(image: ItkImage, name: str) -> Voxels:
    """(ni, nj, nk) or (ni, nj, nk, 3) voxels of a 2D or 3D image."""
    channels = image.GetNumberOfComponentsPerPixel()
    array = sitk.GetArrayFromImage(image)
    if channels not in (1, 3, 4) or (channels > 1 and array.dtype != np.uint8):
        raise UnreadableInputError(
            f"{name} has {channels} numbers per voxel; only grey and 8-bit RGB images can be opened."
        )
    if image.GetDimension() == 2:
        array = array[np.newaxis]
    return array.transpose(2, 1, 0, *range(3, array.ndim))[..., : 3 if channels > 1 else None]


def itk_grid(image: ItkImage, name: str) -> Grid:
    """Shape and LPS affine of a 2D or 3D image; a 2D one lies in the plane S = 0."""
    n = image.GetDimension()
    affine = np.eye(4)
    affine[:n, :n] = np.array(image.GetDirection()).reshape(n, n) * np.array(image.GetSpacing())
    affine[:n, 3] = image.GetOrigin()
    try:
        return Grid((*image.GetSize(), 1)[:3], affine)
    except GridMismatchError as error:
        raise UnreadableInputError(f"{name} holds no usable affine; convert the image again.") from error


def write_nrrd_labels(path: Path, voxels: NDArray[np.unsignedinteger], grid: Grid, names: Mapping[int, str]) -> None:
    """Write (ni, nj, nk) labels as gzip NRRD; the names go into the header as Slicer's segments."""
    vectors = " ".join(_vector(column) for column in grid.affine[:3, :3].T)
    lines = [
        "NRRD0004",
        f"type: {_TYPES[voxels.dtype.itemsize][0]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in grid.shape)}",
        f"space directions: {vectors}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(grid.affine[:3, 3])}",
        *_segments(names),
    ]
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    data = packer.compress(_little_endian(voxels)) + packer.flush()
    write_bytes(path, ("\n".join(lines) + "\n\n").encode(), data)


def write_meta_labels(path: Path, voxels: NDArray[np.unsignedinteger], grid: Grid) -> None:
    """Write (ni, nj, nk) labels as an .mha file."""
    directions = (grid.affine[:3, :3] / np.array(grid.spacing_mm)).T  # one row per voxel axis
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = False",
        f"TransformMatrix = {_numbers(directions.ravel())}",
        f"Offset = {_numbers(grid.affine[:3, 3])}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {_numbers(np.array(grid.spacing_mm))}",
        f"DimSize = {' '.join(str(n) for n in grid.shape)}",
        f"ElementType = {_TYPES[voxels.dtype.itemsize][1]}",
        "ElementDataFile = LOCAL",
    ]
    write_bytes(path, ("\n".join(lines) + "\n").encode(), _little_endian(voxels))


def segment_names(image: ItkImage) -> dict[int, str]:
    """Slicer's segment names in an NRRD header, by voxel value; of one layer only."""
    keys = set(image.GetMetaDataKeys())
    found = {}
    for n in range(len(keys)):
        if f"Segment{n}_LabelValue" in keys and f"Segment{n}_Name" in keys:
            value = image.GetMetaData(f"Segment{n}_LabelValue")
            if value.isdecimal():
                found[int(value)] = image.GetMetaData(f"Segment{n}_Name")
    return found


def _segments(names: Mapping[int, str]) -> list[str]:
    lines = []
    for n, value in enumerate(sorted(names)):
        name = names[value].replace("\n", " ")
        lines += [
            f"Segment{n}_ID:=Segment_{value}",
            f"Segment{n}_Name:={name}",
            f"Segment{n}_LabelValue:={value}",
            f"Segment{n}_Layer:=0",
            f"Segment{n}_Color:={_numbers(np.array(colour_of(name)))}",
        ]
    return lines


def _little_endian(voxels: NDArray[np.unsignedinteger]) -> bytes:
    return voxels.astype(voxels.dtype.newbyteorder("<"), copy=False).tobytes(order="F")


def _vector(numbers: NDArray[np.float64]) -> str:
    return "(" + ",".join(repr(float(n)) for n in numbers) + ")"


def _numbers(numbers: NDArray[np.float64]) -> str:
    return " ".join(repr(float(n)) for n in numbers)
