"""Label maps read by libraries that are not ours, as points in the patient: what a hospital's software would see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from orientation_inputs import Phantom
from skimage.measure import points_in_poly

Points = tuple[NDArray[np.float64], NDArray[np.int64]]
"""(n, 3) LPS mm of labelled voxel centres, and (n,) their values."""
Reader = Callable[[Path, Phantom], Points | None]


def _points(values: NDArray[np.integer], affine: NDArray[np.float64]) -> Points:
    index = np.argwhere(values)
    return index @ affine[:3, :3].T + affine[:3, 3], values[tuple(index.T)].astype(np.int64)


def by_nibabel(path: Path, phantom: Phantom) -> Points:
    """NIfTI, whatever its affine."""
    image = nib.load(path)
    return _points(np.asarray(image.dataobj), np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)


def by_simpleitk(path: Path, phantom: Phantom) -> Points | None:
    """NIfTI with orthogonal axes (of others ITK takes the qform, and refuses those that have none), and every NRRD."""
    if ".nii" in path.name and phantom.geometry in ("tilted", "sheared"):
        return None
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return _points(sitk.GetArrayFromImage(image).T, affine)


def by_pydicom_seg(path: Path, phantom: Phantom) -> Points:
    """DICOM-SEG frame by frame from its functional groups."""
    ds = pydicom.dcmread(path)
    frames = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
    shared = ds.SharedFunctionalGroupsSequence[0]
    places, values = [np.empty((0, 3))], [np.empty(0, np.int64)]
    for frame, own in zip(frames, ds.PerFrameFunctionalGroupsSequence, strict=True):
        plane = (own if "PlaneOrientationSequence" in own else shared).PlaneOrientationSequence[0]
        spacing = (own if "PixelMeasuresSequence" in own else shared).PixelMeasuresSequence[0].PixelSpacing
        along = np.array(plane.ImageOrientationPatient, float)
        start = np.array(own.PlanePositionSequence[0].ImagePositionPatient, float)
        row, column = np.nonzero(frame)
        places.append(start + np.outer(column * spacing[1], along[:3]) + np.outer(row * spacing[0], along[3:]))
        labelmap = ds.SegmentationType == "LABELMAP"
        number = None if labelmap else own.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        values.append(frame[row, column] if labelmap else np.full(len(row), number))
    return np.concatenate(places), np.concatenate(values).astype(np.int64)


def by_highdicom_seg(path: Path, phantom: Phantom) -> Points | None:
    """DICOM-SEG as highdicom's volume, where its planes make one."""
    if phantom.geometry == "tilted":
        return None  # highdicom holds volumes with orthogonal axes only
    volume = hd.seg.segread(path).get_volume(combine_segments=True)
    return _points(np.asarray(volume.array), volume.affine)


def by_pydicom_rtstruct(path: Path, phantom: Phantom) -> Points:
    """RTSTRUCT: voxel centres inside a contour, an even number of times outside, on the scan's own slices."""
    ds = pydicom.dcmread(path)
    inverse = np.linalg.inv(phantom.affine)
    centres = np.stack(np.meshgrid(*map(np.arange, phantom.values.shape[:2]), indexing="ij"), -1).reshape(-1, 2)
    values = np.zeros(phantom.values.shape, np.int64)
    for roi in ds.ROIContourSequence:
        inside = np.zeros(phantom.values.shape, bool)
        for contour in roi.get("ContourSequence", ()):
            corners = np.array(contour.ContourData, float).reshape(-1, 3) @ inverse[:3, :3].T + inverse[:3, 3]
            k = int(np.rint(corners[0, 2]))
            if np.abs(corners[:, 2] - k).max() > 1e-3:
                raise ValueError("a contour lies beside its slice")
            inside[:, :, k] ^= points_in_poly(centres, corners[:, :2]).reshape(inside.shape[:2])
        values[inside] = roi.ReferencedROINumber
    return _points(values, phantom.affine)


READERS: dict[str, tuple[Reader, ...]] = {
    "labels.nii": (by_nibabel, by_simpleitk),
    "labels.nii.gz": (by_nibabel, by_simpleitk),
    "labels.seg.nrrd": (by_simpleitk,),
    "seg.dcm": (by_pydicom_seg, by_highdicom_seg),
    "rtstruct.dcm": (by_pydicom_rtstruct,),
}
"""File that is exported -> who reads it."""
