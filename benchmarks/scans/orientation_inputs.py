"""An asymmetric phantom with a marked left side, written in every orientation by libraries that are not ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

LEFT, RIGHT, FRONT, TOP, BODY = 5, 1, 2, 3, 4
NAMES = {LEFT: "kidney_left", RIGHT: "kidney_right", FRONT: "liver", TOP: "spleen", BODY: "pancreas"}
"""Voxel value -> class; every class has a code, since DICOM-SEG refuses one without."""
SHAPE, SPACING = (13, 11, 9), (2.0, 3.0, 4.0)
_CENTRE_MM = np.array([-7.5, 31.0, 104.25])
_ENDS = "RL", "AP", "IS"
"""Letters of the negative and the positive end of x, y and z in LPS."""
GEOMETRIES = ("orthogonal", "oblique", "tilted", "sheared")
SOURCES = ("dicom", "nifti", "nrrd")


@dataclass(frozen=True, eq=False)
class Phantom:
    """What every reader has to find again.

    Attributes:
        codes: letters that i, j, k point to.
        geometry: one of :data:`GEOMETRIES`; ``tilted`` slices are shifted along j, ``sheared`` ones skewed as well.
        affine: (4, 4) index -> LPS mm.
        values: (ni, nj, nk) uint8, by where in the patient a voxel lies.
    """

    codes: str
    geometry: str
    affine: NDArray[np.float64]
    values: NDArray[np.uint8]


def phantoms() -> Iterator[Phantom]:
    """The 48 ways to order and turn three axes, in each geometry."""
    for order, turned, geometry in product(permutations(range(3)), product((0, 1), repeat=3), GEOMETRIES):
        codes = "".join(_ENDS[axis][1 - flip] for axis, flip in zip(order, turned, strict=True))
        affine = _affine(order, turned, geometry)
        yield Phantom(codes, geometry, affine, _values(affine))


def _affine(order: tuple[int, ...], turned: tuple[int, ...], geometry: str) -> NDArray[np.float64]:
    axes = np.eye(3)[list(order)].T * np.where(turned, -1.0, 1.0)
    if geometry != "orthogonal":
        axes = _rotation(0.31, -0.22, 0.27) @ axes
    if geometry in ("tilted", "sheared"):
        axes[:, 2] += 0.24 * axes[:, 1]
    if geometry == "sheared":
        axes[:, 1] += 0.18 * axes[:, 0]
    affine = np.eye(4)
    affine[:3, :3] = axes * SPACING
    affine[:3, 3] = _CENTRE_MM - affine[:3, :3] @ (np.array(SHAPE) - 1) / 2
    return affine


def _rotation(*angles: float) -> NDArray[np.float64]:
    """About x, then y, then z."""
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = [n for n in range(3) if n != axis]
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        turn = one @ turn
    return turn


def _values(affine: NDArray[np.float64]) -> NDArray[np.uint8]:
    """By millimetres from the centre, so that the same patient lies in every array."""
    x, y, z = np.moveaxis(np.indices(SHAPE).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3] - _CENTRE_MM, -1, 0)
    values = np.where((abs(x) < 7) & (abs(y) < 7) & (abs(z) < 7), BODY, 0)
    values[(x > 3) & (x < 9) & (abs(y) < 5) & (abs(z) < 6)] = LEFT
    values[(x < -3) & (x > -9) & (abs(y) < 4.5) & (abs(z) < 4.5)] = RIGHT
    values[(y < -4) & (y > -9) & (abs(x) < 5) & (abs(z) < 5)] = FRONT
    values[(z > 4) & (z < 10) & (abs(x) < 4) & (abs(y) < 4)] = TOP
    return values.reshape(SHAPE).astype(np.uint8)


def write(phantom: Phantom, kind: str, folder: Path) -> Path | None:
    """The phantom as a scan of this kind; None where the format cannot hold its affine."""
    if kind == "dicom":
        return None if phantom.geometry == "sheared" else _dicom(phantom, folder)
    return {"nifti": _nifti, "nrrd": _nrrd}[kind](phantom, folder)


def _nifti(phantom: Phantom, folder: Path) -> Path:
    image = nib.Nifti1Image(phantom.values.astype(np.int16), None)
    image.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]) @ phantom.affine, code=1)
    image.set_qform(None, code=0)
    nib.save(image, folder / "scan.nii.gz")
    return folder / "scan.nii.gz"


def _nrrd(phantom: Phantom, folder: Path) -> Path:
    spacing = np.linalg.norm(phantom.affine[:3, :3], axis=0)
    image = sitk.GetImageFromArray(phantom.values.T.astype(np.int16))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((phantom.affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(phantom.affine[:3, 3].tolist())
    sitk.WriteImage(image, str(folder / "scan.nrrd"))
    return folder / "scan.nrrd"


def _dicom(phantom: Phantom, folder: Path) -> Path:
    """One CT slice for each k, with random names so that their order says nothing."""
    series, study, frame = (generate_uid() for _ in range(3))
    place = folder / "series"
    place.mkdir()
    names = np.random.default_rng(0).permutation(SHAPE[2])
    for k in range(SHAPE[2]):
        _slice(phantom, k, (series, study, frame)).save_as(place / f"{names[k]}.dcm", enforce_file_format=True)
    return place


def _slice(phantom: Phantom, k: int, uids: tuple[str, str, str]) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID = uids
    ds.Modality, ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "CT", "Phantom", "1", "", ""
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "", "", "", "", ""
    ds.SeriesNumber, ds.InstanceNumber = 1, k + 1
    columns = phantom.affine[:3, :3]
    ds.Rows, ds.Columns = SHAPE[1], SHAPE[0]
    ds.PixelSpacing = [f"{np.linalg.norm(columns[:, n]):.10g}" for n in (1, 0)]
    ds.ImageOrientationPatient = [f"{v:.10g}" for n in (0, 1) for v in columns[:, n] / np.linalg.norm(columns[:, n])]
    ds.ImagePositionPatient = [f"{v:.10g}" for v in phantom.affine[:3, 3] + k * columns[:, 2]]
    ds.SliceThickness = 4
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = phantom.values[:, :, k].T.astype(np.int16).tobytes()
    return ds
