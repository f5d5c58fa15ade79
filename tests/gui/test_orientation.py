"""The letters at the edges of the canvas say where the patient's sides are, whatever was turned, and never guess."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication
from scipy.spatial.transform import Rotation

from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.core.volume import Volume
from napari_segsam.gui.layer_data import layer_of
from napari_segsam.gui.orientation import edge_letters, patient_letters
from napari_segsam.gui.placement import Placement

SHAPE = (40, 36, 20)
AXIAL = {"top": "A", "bottom": "P", "left": "R", "right": "L"}
CORONAL = {"top": "S", "bottom": "I", "left": "R", "right": "L"}
SAGITTAL = {"top": "S", "bottom": "I", "left": "A", "right": "P"}
TOWARDS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}


def all_48_affines():
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        affine = np.zeros((4, 4))
        affine[list(axes), range(3)] = np.array(signs) * (1.0, 1.5, 3.0)
        affine[3, 3] = 1.0
        yield affine


def turned(*degrees, spacing=(1.5, 1.5, 3.0)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ np.diag(spacing)
    return affine


def volume_on(affine, spot=None, **kwargs):
    """A dark scan with one bright corner region, if any: (i, j, k) of its centre."""
    voxels = np.zeros(SHAPE, np.int16)
    if spot is not None:
        voxels[tuple(slice(max(0, s - 2), s + 3) for s in spot)] = 1000
    return Volume(Grid(SHAPE, affine), voxels, modality="mr", name="turned", **kwargs)


class Flat:
    """A layer whose world coordinates are its data coordinates."""

    def world_to_data(self, position):
        return position


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ((1, 0, 0), "L"),
        ((-2, 0, 0), "R"),
        ((0, 0.1, 0), "P"),
        ((0, -1, 0), "A"),
        ((0, 0, 1), "S"),
        ((0, 0, -5), "I"),
        ((1, -0.5, 0), "LA"),
        ((-0.5, 1, 0), "PR"),
        ((1, 0.1, 0), "L"),
        ((1, -0.6, 0.8), "LSA"),
    ],
)
def test_a_direction_is_named_after_the_nearest_axis_first(direction, letters):
    assert patient_letters(direction) == letters


def test_the_letters_of_all_48_orientations_are_nibabels():
    for affine in all_48_affines():
        placement = Placement(volume_on(affine), Flat())
        frame = placement.volume.grid.display
        shown = np.zeros((4, 4))  # the affine of the displayed array, in RAS
        for d, (axis, flip) in enumerate(zip(frame.axes, frame.flips, strict=True)):
            shown[:3, d] = (LPS_RAS @ affine)[:3, axis] * (-1 if flip else 1)
        shown[3, 3] = 1.0
        codes = nib.aff2axcodes(shown)
        for rows, columns in permutations(range(3), 2):
            found = edge_letters(placement, np.eye(3)[rows], np.eye(3)[columns])
            assert (found["bottom"], found["right"]) == (codes[rows], codes[columns]), affine


def opened(hand, volume):
    """The scan and the dock on it."""
    scan = hand.open(volume)
    hand.open_dock()
    return scan


def letters(hand):
    """What the canvas shows at its edges."""
    QApplication.processEvents()
    ours = {k: o for k, o in hand.viewer.canvas.overlays.items() if k.startswith("segsam_") and o.visible}
    return {key.removeprefix("segsam_"): overlay.text for key, overlay in ours.items()}


def test_each_plane_has_the_letters_that_a_radiologist_expects(hand):
    opened(hand, volume_on(turned(0, 0, 0)))
    assert letters(hand) == AXIAL
    hand.viewer.dims.order = (1, 0, 2)
    assert letters(hand) == CORONAL
    hand.viewer.dims.order = (2, 0, 1)
    assert letters(hand) == SAGITTAL
    hand.viewer.dims.order = (0, 2, 1)
    assert letters(hand) == {"top": "R", "bottom": "L", "left": "A", "right": "P"}


def test_a_mirrored_view_has_mirrored_letters(hand):
    opened(hand, volume_on(turned(0, 0, 0)))
    hand.viewer.scene.camera.orientation2d = ("up", "left")
    assert letters(hand) == {"top": "P", "bottom": "A", "left": "L", "right": "R"}


def test_a_layer_that_is_turned_over_takes_its_letters_along(hand):
    scan = opened(hand, volume_on(turned(0, 0, 0)))
    scan.scale = (3.0, 1.5, -1.5)
    assert letters(hand) == {"top": "A", "bottom": "P", "left": "L", "right": "R"}


def test_an_oblique_plane_has_two_letters(hand):
    opened(hand, volume_on(turned(0, 0, 30)))
    assert letters(hand) == {"top": "AL", "bottom": "PR", "left": "RA", "right": "LP"}


@pytest.mark.parametrize("affine", [turned(0, 0, 0), turned(12, -9, 25), np.diag([-1.5, 1.5, -3, 1])])
def test_what_lies_at_the_patients_left_is_drawn_on_the_side_marked_l(hand, affine):
    """Looked at in the picture itself: a bright region far out in the patient lies on the side of its letters."""
    spot = np.array([3, 4, 3])
    volume = volume_on(affine, spot)
    scan = opened(hand, volume)
    for layer in [layer for layer in hand.viewer.layers if layer is not scan]:
        layer.visible = False
    for order, mirrored in product(((0, 1, 2), (1, 0, 2), (2, 1, 0)), (False, True)):
        hand.viewer.dims.order = order
        hand.viewer.scene.camera.orientation2d = ("up", "left") if mirrored else ("down", "right")
        hand.viewer.reset_view()
        hand.look_at(scan, spot)
        shown = letters(hand)
        down, right = off_centre(hand)
        axis = volume.grid.display.axes[order[0]]
        middle = np.where(np.arange(3) == axis, spot, (np.array(SHAPE) - 1) / 2)
        out_mm = volume.grid.to_mm(spot) - volume.grid.to_mm(middle)
        for edge, offset in (("bottom", down), ("right", right)):
            assert abs(offset) > 20
            patient_axis, sign = TOWARDS[shown[edge][0]]
            assert np.sign(offset) == np.sign(out_mm[patient_axis] * sign), (order, mirrored, edge, shown)


def off_centre(hand):
    """How many pixels the bright region lies below and to the right of the canvas's middle."""
    overlays = [o for o in hand.viewer.canvas.overlays.values() if o.visible]
    for overlay in overlays:
        overlay.visible = False
    picture = hand.viewer.screenshot(canvas_only=True, flash=False)[..., :3].mean(-1)
    for overlay in overlays:
        overlay.visible = True
    rows, columns = np.nonzero(picture > 200)
    assert len(rows) > 10
    return rows.mean() - picture.shape[0] / 2, columns.mean() - picture.shape[1] / 2


def test_in_3d_in_a_grid_and_without_the_scan_there_are_no_letters(hand):
    scan = opened(hand, volume_on(turned(0, 0, 0)))
    hand.viewer.dims.ndisplay = 3
    assert letters(hand) == {}
    hand.viewer.dims.ndisplay = 2
    assert letters(hand) == AXIAL
    hand.viewer.canvas.grid.enabled = True
    assert letters(hand) == {}
    hand.viewer.canvas.grid.enabled = False
    scan.visible = False
    assert letters(hand) == {}
    scan.visible = True
    assert letters(hand) == AXIAL


def test_a_scan_that_does_not_say_how_it_lies_has_none(hand):
    said = "The file does not say how it lies in the patient: left and right are a guess."
    opened(hand, volume_on(turned(0, 0, 0), placed=False, warnings=(said,)))
    assert letters(hand) == {}
    assert said in hand.dock.notice.text


def test_another_readers_picture_has_none(hand):
    hand.viewer.add_image(np.zeros((60, 80), np.float32), name="photo")
    hand.open_dock()
    assert letters(hand) == {}


def test_another_scan_has_its_own_and_a_closed_dock_leaves_none(hand):
    first = opened(hand, volume_on(turned(0, 0, 0)))
    second = hand.open(volume_on(turned(0, 0, 30)))
    QApplication.processEvents()
    hand.rest()
    assert letters(hand)["right"] == "LP"
    hand.dock.workbench.open_scan(first)
    assert letters(hand)["right"] == "L"
    hand.viewer.layers.remove(second)
    hand.dock.workbench.leave()
    assert not [key for key in hand.viewer.canvas.overlays if key.startswith("segsam")]


def test_a_layer_made_of_a_volume_knows_the_volume():
    volume = volume_on(turned(0, 0, 0))
    assert layer_of(volume)[1]["metadata"]["segsam_volume"] is volume
