"""Grid: where voxels lie in the patient. Two things may be combined only if their grids match."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segsam.core.errors import GridMismatchError
from napari_segsam.core.geometry import DisplayFrame, axis_codes

LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns LPS millimetres (DICOM, ITK) into RAS millimetres (NIfTI) and back."""


@dataclass(frozen=True, eq=False)
class NiftiForms:
    """The two ways in which a NIfTI header says where its voxels lie; which of them a program goes by differs.

    Attributes:
        qform_code: what the qform's millimetres count from, 0 to 5 as the standard numbers it; 0: there is no qform.
        sform_code: the same of the sform, which is the Grid's own affine.
        qform: (4, 4) voxel index -> LPS millimetres, None where its code is 0.
    """

    qform_code: int
    sform_code: int
    qform: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        known = {self.qform_code, self.sform_code} <= _NIFTI_CODES and (self.qform is None) == (self.qform_code == 0)
        if not known or not (self.qform is None or _places_voxels(self.qform)):
            raise GridMismatchError("The image's qform and sform do not place its voxels; convert the image again.")


_NIFTI_CODES = frozenset(range(6))


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel grid in the patient.

    Attributes:
        shape: voxels along i, j, k (a 2D image has nk = 1).
        affine: (4, 4) float64, voxel index (integer = voxel centre) -> LPS millimetres; may be sheared.
        frame_of_reference: DICOM Frame of Reference UID, empty where there is none.
        nifti: how the NIfTI file that it was read from says all that, for label maps to say it alike; else None.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    frame_of_reference: str = field(default="", compare=False)
    nifti: NiftiForms | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if not _places_voxels(affine):
            raise GridMismatchError("The image's affine is not an invertible 4x4 matrix; re-export the image.")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along i, j, k in millimetres."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in cubic millimetres."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def axis_codes(self) -> str:
        """Letters that i, j, k point to, e.g. ``"LPS"``."""
        return axis_codes(self.affine)

    @property
    def display(self) -> DisplayFrame:
        """How to show these voxels the radiological way."""
        return DisplayFrame.of(self.affine)

    def to_mm(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) voxel indices -> (..., 3) LPS millimetres."""
        return np.asarray(ijk, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_ijk(self, mm: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) LPS millimetres -> (..., 3) continuous voxel indices."""
        return (np.asarray(mm, dtype=np.float64) - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def corners_mm(self) -> NDArray[np.float64]:
        """(8, 3) LPS millimetres of the outermost voxel centres."""
        return self.to_mm(np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T)

    def matches(self, other: Grid, tolerance_mm: float = 1e-3) -> bool:
        """Same shape, and no voxel centre further apart than ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        return bool(np.abs(self.corners_mm() - other.corners_mm()).max() <= tolerance_mm)


def _places_voxels(affine: NDArray[np.float64]) -> bool:
    """Whether this is a finite (4, 4) affine whose three axes span space, at whatever scale."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or not np.array_equal(affine[3], (0, 0, 0, 1)):
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(lengths.min() > 0 and abs(np.linalg.det(affine[:3, :3] / lengths)) > 1e-6)
