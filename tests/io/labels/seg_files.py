"""DICOM segmentations for tests: of our own, then changed as other programs write them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.terminology import CATEGORIES, Code, Coding
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.source import Source, source_of
from napari_segsam.io.labels.export import export_labels

PATIENT = {"StudyInstanceUID": "1.2.840.1", "PatientID": "Secret-ID", "PatientBirthDate": "19500101", "StudyID": "7"}
LIVER = Coding(CATEGORIES["anatomy"], Code("10200004", "Liver"))


def scan(affine: NDArray[np.float64], shape: tuple[int, int, int] = (4, 5, 6)) -> Source:
    """Images of nobody."""
    return source_of(Volume(Grid(shape, affine), np.zeros(shape, np.int16), modality="ct"))


def drawn_on(grid: Grid) -> LabelMap:
    """Values 1 and 2, a corner marked, the first slice empty where there are several."""
    voxels = np.random.default_rng(3).integers(0, 3, grid.shape).astype(np.uint16)
    voxels[0, 0, -1], voxels[-1, -1, -1] = 1, 2
    if grid.shape[2] > 1:
        voxels[:, :, 0] = 0
    return LabelMap(grid, voxels, {1: Label(1, "liver"), 2: Label(2, "femur_left")})


def labels_on(source: Source) -> LabelMap:
    """A liver in the second slice, and a spleen in it and the next two; of the first and the last slice nothing."""
    labels = LabelMap(source.grid, labels={1: Label(1, "liver"), 2: Label(2, "spleen")})
    labels.voxels[1, 0:2, 1], labels.voxels[2, 1, 1:4] = 1, 2
    return labels


def seg_file(
    path: Path,
    source: Source,
    change: Callable[[Dataset], None] = lambda ds: None,
    *,
    labels: LabelMap | None = None,
    labelmap: bool = False,
) -> Path:
    """Write a segmentation of these images, then whatever ``change`` makes of it."""
    export_labels(path, labels or labels_on(source), "dicom-seg", source, labelmap=labelmap)
    ds = pydicom.dcmread(path)
    change(ds)
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def measures(ds: Dataset) -> Dataset:
    """What all frames share: spacing and thickness."""
    found: Dataset = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    return found


def set_pixels(ds: Dataset, frames: np.ndarray) -> None:  # type: ignore[type-arg]
    """(n, rows, cols) pixels of all frames, of one bit or as LABELMAP uncompressed."""
    bits = frames.ravel().astype(np.uint8)
    ds.PixelData = np.packbits(bits, bitorder="little").tobytes() if ds.BitsAllocated == 1 else frames.tobytes()
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
