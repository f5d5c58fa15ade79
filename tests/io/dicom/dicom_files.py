"""Small DICOM files for tests: a series whose every voxel says where it is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SERIES = "1.2.826.0.1.3680043.8.498.1"


def slice_set(pixels: NDArray, position: Iterable[float], **fields: object) -> FileDataset:  # type: ignore[type-arg]
    """(rows, cols) ``pixels`` as one CT slice; ``fields`` override header elements, None removes one."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID, ds.FrameOfReferenceUID, ds.SeriesNumber = SERIES, "1.2.3.4", 5
    ds.Modality, ds.PatientName, ds.SeriesDescription = "CT", "Secret^Person", "Abdomen"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.PixelSpacing, ds.SliceThickness = [0.5, 0.75], 2.0
    ds.ImagePositionPatient = [round(float(p), 6) for p in position]
    ds.ImageOrientationPatient = list(AXIAL)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(pixels.dtype.kind == "i")
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for keyword, value in fields.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def save(ds: FileDataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a data set; pixels are turned round for big endian, and packed where ``syntax`` asks for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if ds.file_meta.TransferSyntaxUID != syntax and syntax.startswith(("1.2.840.10008.1.2.4", "1.2.840.10008.1.2.5")):
        ds.compress(syntax, generate_instance_uid=False)
    if syntax == ExplicitVRBigEndian and ds.BitsAllocated > 8:
        ds.PixelData = np.frombuffer(ds.PixelData, f"u{ds.BitsAllocated // 8}").byteswap().tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    ds.set_original_encoding(implicit, little)
    dcmwrite(path, ds, enforce_file_format=True)
    return path


def slice_file(path: Path, pixels: NDArray, position: Iterable[float], **fields: object) -> Path:  # type: ignore[type-arg]
    """Write one CT slice, see `slice_set`."""
    return save(slice_set(pixels, position, **fields), path)


def ct_series(folder: Path, count: int = 5, step: Iterable[float] = (0, 0, 2.5), **fields: object) -> Path:
    """A regular series of 3 rows x 4 columns; voxel (i, j, k) holds 100 k + 10 j + i; files are named backwards."""
    for k in range(count):
        pixels = (100 * k + 10 * np.arange(3)[:, None] + np.arange(4)[None]).astype(np.int16)
        place = np.array([-10.0, 20.0, 30.0]) + k * np.array(list(step), float)
        slice_file(folder / f"{count - k:03d}.dcm", pixels, place, **fields)
    return folder


def at(folder: Path, places: Sequence[float], **fields: object) -> Path:
    """Slices of 2 x 2 voxels at these z in mm, each filled with its own z."""
    for n, z in enumerate(places):
        slice_file(folder / f"{n:03d}", np.full((2, 2), round(z), np.int16), (0, 0, z), **fields)
    return folder


def with_a_gap(folder: Path, voxels: NDArray, gone: int) -> Path:  # type: ignore[type-arg]
    """(ni, nj, nk) voxels as slices that are 2 mm apart, without the one of index ``gone``."""
    for k in (k for k in range(voxels.shape[2]) if k != gone):
        place = {"PixelSpacing": [2.0, 2.0], "StudyInstanceUID": "1.2.3"}
        slice_file(folder / f"{k}.dcm", np.ascontiguousarray(voxels[:, :, k].T), (0, 0, 2.0 * k), **place)
    return folder


def item(**fields: object) -> Dataset:
    """An item of a sequence."""
    ds = Dataset()
    for keyword, value in fields.items():
        setattr(ds, keyword, value)
    return ds


def frame_item(position: Sequence[float], orientation: Sequence[float] = AXIAL, **groups: Dataset) -> Dataset:
    """An item of the Per-Frame Functional Groups Sequence; ``groups`` add sequences of one item."""
    place = item(ImagePositionPatient=list(position))
    turn = item(ImageOrientationPatient=list(orientation))
    found = item(PlanePositionSequence=[place], PlaneOrientationSequence=[turn])
    for keyword, group in groups.items():
        setattr(found, keyword, [group])
    return found


def multi_frame(pixels: NDArray, frames: Sequence[Dataset], **fields: object) -> FileDataset:  # type: ignore[type-arg]
    """(n, rows, cols) ``pixels`` as an enhanced image, whose place and rescale lie in ``frames`` only."""
    bare = dict.fromkeys(
        ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RescaleSlope")
    )
    ds = slice_set(pixels[0], (0, 0, 0), **bare, RescaleIntercept=None)
    ds.NumberOfFrames, ds.PixelData = len(pixels), pixels.tobytes()
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.75], SliceThickness=2.0)])
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], list(frames)
    for keyword, value in fields.items():
        setattr(ds, keyword, value)
    return ds
