"""The committed voxel is the clicked one: every axis, transposed views, oblique and flipped grids."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from scipy.spatial.transform import Rotation

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from tests.fakes import block_volume

SHAPE = (30, 24, 12)
SPOT = (7, 5, 4)  # lies in the liver, nowhere near a symmetry


def on(affine):
    """The three blocks on another grid, with a bright voxel-sized spot that nothing else looks like."""
    voxels = block_volume(SHAPE).voxels.copy()
    voxels[SPOT] = 1000
    return Volume(Grid(SHAPE, affine), voxels, modality="ct", name="blocks")


def flipped_oblique():
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", (8, -11, 15), degrees=True).as_matrix()
    affine[:3, :3] = turn @ np.diag([-1.3, 1.3, -3.0])
    affine[:3, 3] = (40, -25, 310)
    return affine


def sagittal():
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = 1.0, -1.1, 2.4, 1.0
    return affine


def sheared():
    """A tilted gantry, and rows that do not meet columns at right angles."""
    affine = np.diag([1.2, -1.2, 3.0, 1.0])
    affine[1, 2], affine[0, 1] = 1.1, 0.3
    return affine


GRIDS = {
    "plain": np.diag([2.0, 2.0, 2.0, 1.0]),
    "flipped and oblique": flipped_oblique(),
    "sagittal": sagittal(),
    "sheared": sheared(),
}


@pytest.mark.parametrize("name", GRIDS)
def test_the_clicked_voxel_is_committed_on_every_axis_and_transposed_view(hand, name):
    scan = hand.open(on(GRIDS[name]))
    hand.open_dock()
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1), (0, 2, 1), (2, 1, 0)):
        hand.viewer.dims.order = order
        hand.viewer.reset_view()
        hand.look_at(scan, SPOT)
        hand.click(hand.world(scan, SPOT))
        hand.rest()
        axis = scan.metadata["segsam_volume"].grid.display.axes[order[0]]
        assert hand.session.place == (axis, SPOT[axis])
        assert hand.session.view.shape == hand.session.prediction.mask.shape
        seen = np.argwhere(hand.layer("preview").data)[0]
        hand.key(Qt.Key.Key_C)
        hand.rest()
        assert [tuple(v) for v in np.argwhere(hand.session.labels.voxels)] == [SPOT], order
        assert np.allclose(hand.layer("preview").data_to_world(seen), hand.world(scan, SPOT)), order
        while hand.session.undo_names:
            hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
            hand.rest()


def test_a_box_is_drawn_where_it_was_dragged_on_another_axis(hand):
    scan = hand.open(on(GRIDS["flipped and oblique"]))
    hand.open_dock()
    hand.viewer.dims.order = (1, 0, 2)
    hand.viewer.reset_view()
    hand.look_at(scan, SPOT)
    hand.key(Qt.Key.Key_B)
    start, end = hand.world(scan, (3, SPOT[1], 2)), hand.world(scan, (11, SPOT[1], 6))
    hand.drag(start, end)
    hand.rest()
    drawn = hand.layer("prompts: boxes").data[0] * scan.scale
    middle = (start + end) / 2
    assert np.allclose(drawn.mean(0), middle, atol=0.3)
    hand.viewer.dims.order = (0, 1, 2)  # napari must not choke on a rectangle seen from its edge
    hand.rest()
    assert not hand.layer("prompts: boxes").data


def test_prompts_and_preview_follow_the_slice(ready):
    scan = ready.layers[0]

    def seen_on(depth):
        ready.look_at(scan, (10, 8, depth))
        ready.rest()
        return ready.viewer.screenshot(canvas_only=True, flash=False)

    beside, bare = seen_on(6), seen_on(5)
    ready.click(ready.world(scan, (10, 8, 5)))
    ready.rest()
    answered = seen_on(5)
    assert not np.array_equal(answered, bare)
    assert np.array_equal(seen_on(6), beside), "nothing of it is drawn on the next slice"
    assert np.array_equal(seen_on(5), answered)
    assert ready.layer("preview").data.any()
    assert len(ready.layer("prompts: points").data) == 1


def test_what_was_undone_from_another_slice_is_gone_from_its_own_and_from_the_3d_view(ready):
    scan = ready.layers[0]
    ready.look_at(scan, (10, 8, 5))
    ready.click(ready.world(scan, (10, 8, 5)))
    ready.rest()
    ready.look_at(scan, (10, 8, 6))
    ready.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    ready.rest()
    ready.viewer.dims.ndisplay = 3
    assert not ready.layer("preview").data.any() and not len(ready.layer("prompts: points").data)
    ready.viewer.dims.ndisplay = 2
    ready.look_at(scan, (10, 8, 5))
    ready.rest()
    assert not ready.layer("preview").data.any() and not len(ready.layer("prompts: points").data)


def test_between_two_slices_only_what_belongs_to_the_one_that_is_shown_is_drawn(ready):
    scan, order = ready.layers[0], ready.viewer.dims.order
    for index in (5, 2):  # napari rounds to even, so that each has another neighbour to be taken for
        ready.look_at(scan, (10, 8, index))
        ready.click(ready.world(scan, (10, 8, index)))
        ready.rest()
        for step in (-0.5, 0.5):
            point = ready.world(scan, (10, 8, index + step))
            ready.viewer.dims.set_point(order[0], point[order[0]])
            ready.rest()
            here = ready.session.place[1] == index
            assert ready.layer("preview").data.any() == here
            assert len(ready.layer("prompts: points").data) == int(here)


def test_in_the_3d_view_the_dock_says_what_to_do(ready):
    ready.viewer.dims.ndisplay = 3
    assert "Ctrl+Y" in ready.dock.error.text
    ready.viewer.dims.ndisplay = 2
    assert not ready.dock.error.text


def test_another_readers_flat_picture_can_be_clicked(hand):
    picture = np.zeros((60, 80), np.float32)
    picture[10:30, 20:60] = 500.0
    hand.viewer.add_image(picture, name="photo", scale=(0.5, 0.5))
    hand.open_dock()
    assert "another reader" in hand.dock.notice.text
    hand.click((0.0, 10.0, 20.0))
    hand.rest()
    hand.key(Qt.Key.Key_C)
    hand.rest()
    assert np.array_equal(hand.layer("labels").data[0] > 0, picture > 0)


def test_another_readers_colours_can_be_clicked(hand):
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[10:30, 20:60] = 200
    hand.viewer.add_image(picture, name="photo", rgb=True)
    hand.open_dock()
    hand.click((0.0, 20.0, 40.0))
    hand.rest()
    assert np.array_equal(hand.session.prediction.mask, picture[..., 0] > 0)
    assert hand.session.volume.modality == "rgb"
