"""Grids for property tests: every index order, handedness, obliquity and shear that a file may hold."""

from itertools import permutations, product

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume

AXIS_CODES = tuple(
    "".join(pair[sign] for pair, sign in zip(order, signs, strict=True))
    for order in permutations(("LR", "PA", "SI"))
    for signs in product((0, 1), repeat=3)
)
"""All 48 ways in which i, j, k may run along left-right, posterior-anterior and superior-inferior."""


def affine_of(codes: str, spacing: tuple[float, float, float] = (0.7, 1.1, 2.5)) -> NDArray[np.float64]:
    """(4, 4) index -> LPS millimetres for letters that i, j, k point to."""
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    for voxel_axis, letter in enumerate(codes):
        patient_axis = next(a for a, pair in enumerate(("LR", "PA", "SI")) if letter in pair)
        affine[patient_axis, voxel_axis] = spacing[voxel_axis] * (1 if letter in "LPS" else -1)
    affine[:3, 3] = (-31.0, 12.5, 407.0)
    return affine


def rotation(angles: tuple[float, float, float]) -> NDArray[np.float64]:
    """(3, 3) rotation by three angles in radians about x, y, z."""
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = (d for d in range(3) if d != axis)
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        turn = one @ turn
    return turn


shapes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
_spacings = st.floats(0.2, 6.0)


@st.composite
def affines(draw: st.DrawFn, shear: float = 0.3, tilt: float = np.pi) -> NDArray[np.float64]:
    """Index -> LPS millimetres: one of the 48 index orders, turned by up to ``tilt`` radians, then sheared."""
    affine = affine_of(draw(st.sampled_from(AXIS_CODES)), (draw(_spacings), draw(_spacings), draw(_spacings)))
    angle = st.floats(-tilt, tilt)
    skew = np.eye(3)
    skew[np.triu_indices(3, 1)] = [draw(st.floats(-shear, shear)) for _ in range(3)]
    affine[:3, :3] = rotation((draw(angle), draw(angle), draw(angle))) @ skew @ affine[:3, :3]
    affine[:3, 3] = [draw(st.floats(-500, 500)) for _ in range(3)]
    return affine


grids = st.builds(Grid, shapes, affines())


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    """Scans whose every voxel holds its own flat C-order index."""
    grid = draw(grids)
    return Volume(grid, np.arange(np.prod(grid.shape)).reshape(grid.shape))
