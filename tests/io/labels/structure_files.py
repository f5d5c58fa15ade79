"""Images to draw on that are nothing but headers, and structure sets as other vendors may write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, RTStructureSetStorage

from napari_segsam.core.grid import Grid
from napari_segsam.io.dicom.source import Source

FRAME_OF_REFERENCE = "1.2.826.0.1.3680043.8.498.9"
Polygon = Sequence[tuple[float, float]] | NDArray[np.float64]


def grid_of(shape: tuple[int, int, int] = (12, 10, 4), affine: NDArray[np.float64] | None = None) -> Grid:
    """A grid in the frame of reference of these images; 0.5 x 0.75 x 2 mm where no affine is given."""
    oblong = np.array([[0.5, 0, 0, -31], [0, 0.75, 0, 12.5], [0, 0, 2, 407], [0, 0, 0, 1]])
    return Grid(shape, oblong if affine is None else affine, FRAME_OF_REFERENCE)


def labelled(grid: Grid, highest: int = 3, seed: int = 5) -> NDArray[np.uint16]:
    """Voxels of any value beside any other: holes, islands, lines, corners that touch, the border."""
    voxels = np.random.default_rng(seed).integers(0, highest + 1, grid.shape).astype(np.uint16)
    voxels[0, 0, 0] = 1
    return voxels


def source_of(grid: Grid) -> Source:
    """One single-frame image for each slice."""
    return Source(grid, tuple(_header(k) for k in range(grid.shape[2])), (1,) * grid.shape[2])


def uid_of(k: int) -> str:
    """Of the image of slice k."""
    return f"{FRAME_OF_REFERENCE}.1.{k + 1}"


def _header(k: int) -> Dataset:
    return item(
        SOPClassUID=CTImageStorage,
        SOPInstanceUID=uid_of(k),
        SeriesInstanceUID=f"{FRAME_OF_REFERENCE}.1",
        StudyInstanceUID=f"{FRAME_OF_REFERENCE}.2",
        FrameOfReferenceUID=FRAME_OF_REFERENCE,
        PatientName="Secret^Person",
        PatientID="secret-id",
    )


def item(**elements: object) -> Dataset:
    """A data set of these elements."""
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def contour(grid: Grid, k: float, points: Polygon, kind: str = "CLOSED_PLANAR", image: int | None = None) -> Dataset:
    """A contour through points (i, j) of slice k that names the image of slice ``image``, none where None."""
    ij = np.asarray(points, np.float64)
    mm = grid.to_mm(np.column_stack([ij, np.full(len(ij), k)]))
    found = item(
        ContourGeometricType=kind,
        NumberOfContourPoints=len(ij),
        ContourData=[f"{x:.6f}" for x in mm.ravel()],
    )
    if image is not None:
        found.ContourImageSequence = [
            item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=uid_of(image))
        ]
    return found


def structure_file(path: Path, rois: dict[int, list[Dataset]], frame_of_reference: str = FRAME_OF_REFERENCE) -> Path:
    """A structure set of ROIs "organ 1", "organ 2", ... by their numbers."""
    ds = item(
        SOPClassUID=RTStructureSetStorage,
        SOPInstanceUID=f"{FRAME_OF_REFERENCE}.3",
        PatientName="Secret^Person",
        StructureSetROISequence=[
            item(ROINumber=n, ROIName=f"organ {n}", ReferencedFrameOfReferenceUID=frame_of_reference) for n in rois
        ],
        ROIContourSequence=[item(ReferencedROINumber=n, ContourSequence=c) for n, c in rois.items()],
    )
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path
