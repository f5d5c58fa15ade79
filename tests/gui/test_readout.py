"""Millimetres, voxel and intensity below the cursor, whatever axis is looked along and however the scan lies."""

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QApplication
from scipy.spatial.transform import Rotation

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.gui.placement import Placement
from napari_segsam.gui.readout import reading_at

SHAPE = (30, 24, 12)
VOXEL = (7, 5, 4)


def oblique():
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", (8, -11, 15), degrees=True).as_matrix()
    affine[:3, :3] = turn @ np.diag([-1.3, 1.3, -3.0])
    affine[:3, 3] = (40, -25, 310)
    return affine


def sheared():
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    affine[1, 2] = 1.5  # a tilted gantry
    affine[:3, 3] = (-30, 12, 5)
    return affine


AFFINES = {"plain": np.diag([2.0, 2.0, 2.0, 1.0]), "oblique and flipped": oblique(), "sheared": sheared()}


def scan_on(affine, **kwargs):
    voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) - 1000
    return Volume(Grid(SHAPE, affine), voxels, **{"modality": "ct", "name": "counted", **kwargs})


class Flat:
    """A layer whose world coordinates are its data coordinates."""

    def world_to_data(self, position):
        return position


def move(hand, scan, ijk):
    """The mouse over a voxel, as Qt reports it; returns the reading in the dock."""
    hand.viewer.mouse_over_canvas = True
    none = Qt.MouseButton.NoButton
    hand._mouse(QEvent.Type.MouseMove, hand.pixel(hand.world(scan, ijk)), none, none)
    QApplication.processEvents()
    return hand.dock.position.text().splitlines()


@pytest.mark.parametrize("name", AFFINES)
def test_the_dock_says_what_nibabel_says_of_the_voxel(hand, name, tmp_path):
    volume = scan_on(AFFINES[name])
    scan = hand.open(volume)
    hand.open_dock()
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ AFFINES[name]
    there = nib.affines.apply_affine(ras, VOXEL) * (-1, -1, 1)  # LPS, by another library
    for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0)):
        hand.viewer.dims.order = order
        hand.viewer.reset_view()
        hand.look_at(scan, VOXEL)
        position, voxel = move(hand, scan, VOXEL)
        assert voxel == f"voxel 7, 5, 4: {volume.voxels[VOXEL]} HU".replace("-", "−")
        said = [float(n) for n in position.removeprefix("LPS ").removesuffix(" mm").replace("−", "-").split(", ")]
        one_pixel_on_screen = 2.0 / hand.viewer.scene.camera.zoom
        assert np.allclose(said, there, atol=0.06 + one_pixel_on_screen), (order, said, there)


def test_scrolling_under_a_resting_mouse_reads_the_new_slice(hand):
    scan = hand.open(scan_on(AFFINES["plain"]))
    hand.open_dock()
    hand.look_at(scan, VOXEL)
    assert move(hand, scan, VOXEL)[1].startswith("voxel 7, 5, 4:")
    hand.look_at(scan, (7, 5, 9))
    assert hand.dock.position.text().splitlines()[1].startswith("voxel 7, 5, 9:")


def test_beside_the_scan_and_in_3d_nothing_is_said(hand):
    scan = hand.open(scan_on(AFFINES["plain"]))
    hand.open_dock()
    hand.look_at(scan, VOXEL)
    assert move(hand, scan, (-6, 5, 4)) == ["–"]
    assert move(hand, scan, VOXEL) != ["–"]
    hand.viewer.dims.ndisplay = 3
    assert hand.dock.position.text().strip() == "–"
    hand.viewer.dims.ndisplay = 2
    move(hand, scan, VOXEL)
    hand.viewer.mouse_over_canvas = False
    assert hand.dock.position.text().strip() == "–"


def test_the_scan_that_is_seen_is_the_one_that_is_read(hand):
    below = hand.open(scan_on(AFFINES["plain"]))
    above = hand.open(scan_on(AFFINES["plain"], modality="mr", name="above"))
    hand.open_dock()
    hand.look_at(above, VOXEL)
    assert "HU" not in move(hand, above, VOXEL)[1]
    above.visible, below.visible = False, True
    assert "HU" in move(hand, below, (8, 5, 4))[1]


def test_a_file_that_does_not_say_where_it_lies_gets_no_millimetres():
    volume = scan_on(np.eye(4), placed=False)
    reading = reading_at([Placement(volume, Flat())], (0.0, 0.0, 0.0))
    assert reading.position_text == "The file does not say where in the patient."


def test_colours_and_fractions_are_said_as_they_are_stored():
    colours = np.full((*SHAPE, 3), (7, 8, 9), np.uint8)
    of_colours = Volume(Grid(SHAPE, np.eye(4)), colours, modality="rgb")
    assert reading_at([Placement(of_colours, Flat())], (0, 0, 0)).voxel_text.endswith(": 7, 8, 9")
    of_fractions = Volume(Grid(SHAPE, np.eye(4)), np.full(SHAPE, -0.123456789, np.float32), modality="pet")
    assert reading_at([Placement(of_fractions, Flat())], (0, 0, 0)).voxel_text.endswith(": −0.12346")
