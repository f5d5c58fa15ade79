"""Small DICOM files for tests: a series whose every voxel says where it is."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SERIES = "1.2.826.0.1.3680043.8.498.1"


def slice_file(path: Path, pixels: NDArray, position: Iterable[float], **fields: object) -> Path:  # type: ignore[type-arg]
    """Write (rows, cols) ``pixels`` as one CT slice; ``fields`` override header elements, None removes one."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID, ds.FrameOfReferenceUID, ds.SeriesNumber = SERIES, "1.2.3.4", 5
    ds.Modality, ds.PatientName, ds.SeriesDescription = "CT", "Secret^Person", "Abdomen"
    ds.Rows, ds.Columns = pixels.shape
    ds.PixelSpacing, ds.SliceThickness = [0.5, 0.75], 2.0
    ds.ImagePositionPatient = [round(float(p), 6) for p in position]
    ds.ImageOrientationPatient = list(AXIAL)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, int(pixels.dtype.kind == "i")
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = pixels.tobytes()
    for keyword, value in fields.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def ct_series(folder: Path, count: int = 5, step: Iterable[float] = (0, 0, 2.5), **fields: object) -> Path:
    """A regular series of 3 rows x 4 columns; voxel (i, j, k) holds 100 k + 10 j + i; files are named backwards."""
    for k in range(count):
        pixels = (100 * k + 10 * np.arange(3)[:, None] + np.arange(4)[None]).astype(np.int16)
        place = np.array([-10.0, 20.0, 30.0]) + k * np.array(list(step), float)
        slice_file(folder / f"{count - k:03d}.dcm", pixels, place, **fields)
    return folder
