"""Stored numbers to intensities: exact where they can be, finite always, and quiet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.intensities import finite, narrowed, rescaled


@pytest.mark.parametrize(
    ("kind", "values", "narrow"),
    [
        ("u1", [0, 255], "u1"),
        ("i1", [-128, 127], "i2"),
        ("i8", [-1024, 3071], "i2"),
        ("u8", [0, 65535], "u2"),
        ("u4", [0, 2**31 - 1], "i4"),
        ("u4", [0, 2**32 - 1], "f8"),
        ("i8", [-(2**53), 2**53], "f8"),
        (">i2", [-1, 1], "i2"),
        (">f8", [0.5, -2.0], "f4"),
        ("?", [False, True], "u1"),
    ],
)
def test_numbers_become_the_smallest_type_that_holds_them(kind: str, values: list[float], narrow: str) -> None:
    found = narrowed(np.array(values, kind))
    assert found.dtype == np.dtype(narrow) and found.tolist() == values


@pytest.mark.parametrize(("slope", "intercept"), [(2.0, -1024.0), (-1.0, 0.0), (1.0, 1e6), (2.0**30, 0.0)])
@pytest.mark.parametrize("kind", ["i2", "u2", "i4", "u4"])
def test_whole_numbers_stay_whole(kind: str, slope: float, intercept: float) -> None:
    limits = np.iinfo(kind)
    stored = np.array([[[limits.min, 0, limits.max]]], kind)
    exact = [int(v) * int(slope) + int(intercept) for v in stored.ravel()]
    found = rescaled(stored, slope, intercept)
    assert found.dtype.kind == ("i" if max(map(abs, exact)) < 2**31 else found.dtype.kind)
    assert [float(v) for v in found.ravel()] == [float(v) for v in exact]


@given(
    stored=arrays(st.sampled_from(["i2", "u4", "i8", "u8", "f4", "f8"]), (2, 2, 2)),
    slope=st.floats(allow_nan=False, allow_infinity=False),
    intercept=st.floats(allow_nan=False, allow_infinity=False),
)
def test_whatever_is_stored_becomes_finite_without_a_warning(
    stored: np.ndarray, slope: float, intercept: float
) -> None:  # type: ignore[type-arg]
    try:
        voxels, said = finite(narrowed(rescaled(stored, slope, intercept)), "scan")
    except UnreadableInputError as error:
        assert "every voxel is NaN or infinite" in str(error)
    else:
        assert np.isfinite(voxels).all() and len(said) <= 1


def test_what_float32_cannot_hold_is_said() -> None:
    voxels, said = finite(narrowed(np.array([[[1e300, 5.0, -1e300]]])), "scan")
    assert voxels.ravel().tolist() == [5.0, 5.0, 5.0] and said[0].startswith("2 voxels")
