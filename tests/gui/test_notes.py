"""What is said of a scan when it is opened."""

import numpy as np
import pytest

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.gui.notes import notes_on

SHAPE = (6, 5, 4)


def on(affine, warnings=()):
    return Volume(Grid(SHAPE, affine), np.zeros(SHAPE, np.int16), warnings=warnings)


def test_a_scan_at_right_angles_needs_no_note_whatever_its_spacing():
    assert notes_on(on(np.diag([0.5, -0.7, 5.0, 1.0]))) == ""


@pytest.mark.parametrize(
    ("row", "column", "plane"),
    [(1, 2, "sagittal"), (0, 2, "coronal"), (0, 1, "axial")],
)
def test_the_planes_that_are_parallelograms_are_named_with_their_angle(row, column, plane):
    affine = np.eye(4)
    affine[row, column] = np.tan(np.radians(15))
    said = notes_on(on(affine))
    assert f"{plane} slices (75°)" in said
    assert said.count("slices (") == 1


def test_the_readers_warnings_come_first():
    affine = np.eye(4)
    affine[1, 2] = 0.4
    assert notes_on(on(affine, ("The gantry was tilted.",))).startswith("The gantry was tilted. Rows and columns")


def test_a_rounded_header_is_no_shear():
    affine = np.eye(4)
    affine[1, 2] = 1e-3
    assert notes_on(on(affine)) == ""
