"""Three planes through one point: what two more canvases show, and how they are moved."""

from collections import Counter

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from tests.fakes import block_volume
from tests.gui.planes import cross_of, letters_on, pixel_of, three_of

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def three(ready):
    """The planes of a scan of three blocks."""
    return three_of(ready)


def test_the_two_planes_that_the_main_canvas_does_not_show_come_beside_it_and_share_its_voxels(three):
    coronal, sagittal = (side.viewer for side in three.sides)
    assert (coronal.dims.order, sagittal.dims.order) == ((1, 0, 2), (2, 0, 1))
    assert coronal.dims.point[1] == three.point[1] and sagittal.dims.point[2] == three.point[2]
    assert letters_on(coronal) == {"top": "S", "bottom": "I", "left": "R", "right": "L"}
    assert letters_on(sagittal) == {"top": "S", "bottom": "I", "left": "A", "right": "P"}
    for model in (coronal, sagittal):
        assert [layer.name for layer in model.layers] == ["blocks", "semantic", "labels", "preview"]
        for layer in model.layers:
            assert np.shares_memory(layer.data, three.viewer.layers[layer.name].data), layer.name
            assert np.array_equal(layer.scale, three.viewer.layers[layer.name].scale)
    assert all(side.canvas.width() > 100 and side.canvas.height() > 100 for side in three.sides)


def test_window_colours_and_visibility_are_those_of_the_main_canvas(three):
    scan, labels = three.viewer.layers["blocks"], three.viewer.layers["labels"]
    three.hand.dock.scan_panel.window_preset.value = next(
        c for c in three.hand.dock.scan_panel.window_preset.choices if c.name == "lung"
    )
    scan.colormap, labels.opacity, labels.contour, labels.visible = "magma", 0.9, 2, False
    for side in three.sides:
        shown, painted = side.viewer.layers["blocks"], side.viewer.layers["labels"]
        assert shown.contrast_limits == scan.contrast_limits != [0, 1] and shown.colormap.name == "magma"
        assert (painted.opacity, painted.contour, painted.visible) == (0.9, 2, False)
    three.viewer.theme = "light"
    assert [side.viewer.theme for side in three.sides] == ["light", "light"]


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_a_bright_voxel_is_where_the_main_canvas_and_the_millimetres_have_it(hand, flips):
    voxels = np.zeros((40, 36, 20), np.int16)
    spot = (30, 8, 4)
    voxels[28:33, 6:11, 3:6] = 1000
    volume = Volume(Grid(voxels.shape, np.diag([*np.array(flips) * (1.0, 1.5, 4.0), 1.0])), voxels, "mr", name="spot")
    scan = hand.open(volume)
    hand.open_dock()
    three = three_of(hand)
    world = hand.world(scan, spot)
    three.viewer.dims.point = world
    QApplication.processEvents()
    for side in (three.main, *three.sides):
        picture = side.canvas.grab().toImage()
        x, y = pixel_of(side, world)
        row_mm, col_mm = (side.viewer.layers[0].scale * (3, 5, 5))[list(side.viewer.dims.displayed)]
        for dx, dy in ((0.4, 0.4), (-0.4, -0.4), (0.4, -0.4), (-0.4, 0.4)):
            zoom = side.viewer.scene.camera.zoom
            inside = picture.pixelColor(round(x + dx * col_mm * zoom), round(y + dy * row_mm * zoom))
            assert inside.lightness() > 200
        beyond = (round(x + 0.7 * col_mm * zoom) + 2, y + 4), (x + 4, round(y - 0.7 * row_mm * zoom) - 2)
        assert all(picture.pixelColor(*p).lightness() < 60 for p in beyond)
        assert cross_of(side) == pytest.approx((x, y), abs=1)


def test_scrolling_the_main_canvas_moves_the_lines_on_the_others_and_cuts_nothing_anew(three):
    cut = []
    for side in three.sides:
        for layer in side.viewer.layers:
            layer.events.set_data.connect(cut.append)
    before = three.point
    three.main.scroll(3)
    assert three.point[0] == before[0] + 6 and np.array_equal(three.point[1:], before[1:]) and not cut
    for side in (three.main, *three.sides):
        assert cross_of(side) == pytest.approx(pixel_of(side, three.point), abs=1)


def test_a_click_in_a_side_view_brings_the_main_canvas_to_that_slice_and_prompts_nothing(three):
    scan = three.viewer.layers["blocks"]
    coronal = three.sides[0]
    target = np.array(three.hand.world(scan, (10, 5, 2)))
    target[1] = three.point[1]  # on the slice that is shown
    coronal.click(target)
    assert np.allclose(three.point, target, atol=1 / coronal.viewer.scene.camera.zoom)
    assert three.hand.session.place == (2, 2)
    assert three.sides[1].viewer.dims.point[2] == pytest.approx(three.point[2])
    assert not three.hand.session.prompts.clicks and not len(three.viewer.layers["prompts: points"].data)


def test_a_drag_in_a_side_view_pans_it_and_moves_no_point(three):
    before, centre = three.point, three.sides[0].viewer.scene.camera.center
    three.sides[0].drag(before, before + np.array((0, 0, 12)))
    assert np.array_equal(three.point, before) and three.sides[0].viewer.scene.camera.center != centre


def test_shift_and_move_takes_the_point_along_on_every_canvas(three):
    target = three.hand.world(three.viewer.layers["blocks"], (9, 7, 6))
    target[0] = three.point[0]
    cut = []
    three.viewer.layers["blocks"].events.set_data.connect(cut.append)
    three.main.shift_move(target)
    assert not cut  # the main canvas goes on showing its slice
    near = 1 / three.main.viewer.scene.camera.zoom
    assert np.allclose(three.point, target, atol=near)
    assert three.sides[0].viewer.dims.point[1] == pytest.approx(three.point[1])
    assert three.sides[1].viewer.dims.point[2] == pytest.approx(three.point[2])
    target = three.point + np.array((6, 8, 0))
    three.sides[1].shift_move(target)
    assert np.allclose(three.point, target, atol=1 / three.sides[1].viewer.scene.camera.zoom)
    for side in (three.main, *three.sides):
        assert cross_of(side) == pytest.approx(pixel_of(side, three.point), abs=1)


def test_wheel_and_arrows_scroll_the_side_view_that_they_are_used_on(three):
    before = three.point
    three.sides[0].scroll(2)
    assert np.array_equal(three.point, before + np.array((0, 4, 0)))
    three.sides[1].key(Qt.Key.Key_Right)
    three.sides[1].key(Qt.Key.Key_Left)
    three.sides[1].key(Qt.Key.Key_Left)
    assert np.array_equal(three.point, before + np.array((0, 4, -2)))
    assert cross_of(three.main) == pytest.approx(pixel_of(three.main, three.point), abs=1)


def test_any_other_key_on_a_side_view_is_the_main_canvass(three):
    three.sides[0].key(Qt.Key.Key_T)
    assert three.hand.dock.workbench.positive is False
    three.sides[1].key(Qt.Key.Key_Y, CTRL)
    assert three.viewer.dims.ndisplay == 3 and [s.viewer.dims.ndisplay for s in three.sides] == [2, 2]


def test_a_double_click_brings_the_plane_into_the_main_canvas_where_a_prompt_is_answered_on_it(three):
    liver = three.hand.world(three.viewer.layers["blocks"], (10, 8, 5))
    three.viewer.dims.point = liver
    three.sides[0].double_click(three.point)
    assert three.viewer.dims.order == (1, 0, 2)
    assert [side.viewer.dims.order for side in three.sides] == [(0, 1, 2), (2, 0, 1)]
    three.main.click(three.point)
    three.hand.rest()
    session = three.hand.session
    assert session.view.axis == 1 and session.prediction.mask[5, 10]
    three.main.key(Qt.Key.Key_C)
    three.hand.rest()
    assert np.argwhere(session.labels.voxels)[:, 1].tolist() == [8] * session.labels.voxels.astype(bool).sum()


def test_what_is_committed_erased_or_undone_is_on_the_side_views_at_once(three):
    liver = three.hand.world(three.viewer.layers["blocks"], (10, 8, 5))
    three.viewer.dims.point = liver
    three.main.click(liver)
    three.hand.rest()
    three.main.key(Qt.Key.Key_C)
    three.hand.rest()
    value = three.hand.session.labels.voxels[10, 8, 5]
    assert value and [_shown(side, liver) for side in three.sides] == [value, value]
    labels = three.viewer.layers["labels"]
    three.viewer.layers.selection.active, labels.mode, labels.brush_size = labels, "erase", 3
    three.main.drag(liver, liver + np.array((0, 6, 6)))
    assert [_shown(side, liver) for side in three.sides] == [0, 0]
    labels.mode = "pan_zoom"
    three.main.key(Qt.Key.Key_Z, CTRL)
    three.hand.rest()
    assert [_shown(side, liver) for side in three.sides] == [value, value]


def test_of_a_deed_each_side_view_draws_what_it_changed_and_that_once(three):
    scan, drawn = three.viewer.layers["blocks"], Counter()
    three.viewer.dims.point = three.hand.world(scan, (10, 8, 5))
    for layer in (layer for side in three.sides for layer in side.viewer.layers):
        layer.events.set_data.connect(lambda event: drawn.update([event.source.name]))

    def done(act):
        drawn.clear()
        act()
        three.hand.rest()
        return dict(drawn)

    def click(ijk):
        return done(lambda: three.main.click(three.hand.world(scan, ijk)))

    def commit():
        return done(lambda: three.main.key(Qt.Key.Key_C))

    click((10, 8, 5))  # the outline moves to this slice
    commit()  # a new name has a new colour
    assert click((12, 9, 5)) == {"preview": 2, "semantic": 2}  # on two side views
    again = commit()
    assert again["labels"] == 2 and max(again.values()) == 2 and "blocks" not in again


def test_what_is_undone_from_another_slice_is_gone_from_the_side_views(three):
    liver = three.hand.world(three.viewer.layers["blocks"], (10, 8, 5))
    three.viewer.dims.point = liver
    three.main.click(liver)
    three.hand.rest()

    def outlined():
        return [bool(side.viewer.layers["preview"]._slice.image.raw.any()) for side in three.sides]

    assert outlined() == [True, True]
    three.viewer.dims.point = three.hand.world(three.viewer.layers["blocks"], (10, 8, 6))
    assert outlined() == [True, True]
    three.main.key(Qt.Key.Key_Z, CTRL)
    three.hand.rest()
    assert outlined() == [False, False]


def _shown(side, world):
    """The value on the slice that a side view has on its canvas."""
    layer = side.viewer.layers["labels"]
    row, col = np.rint(layer.world_to_data(world)).astype(int)[list(side.viewer.dims.displayed)]
    return int(layer._slice.image.raw[row, col])


def test_side_views_stay_upright_while_the_main_canvas_is_rolled_transposed_or_in_3d(three):
    dims = three.viewer.dims
    dims.transpose()
    assert dims.order == (0, 2, 1) and [s.viewer.dims.order for s in three.sides] == [(1, 0, 2), (2, 0, 1)]
    assert cross_of(three.main) == pytest.approx(pixel_of(three.main, three.point), abs=1)
    dims.order = (2, 0, 1)
    assert [s.viewer.dims.order for s in three.sides] == [(0, 1, 2), (1, 0, 2)]
    dims.ndisplay = 3
    QApplication.processEvents()
    assert cross_of(three.main) is None and cross_of(three.sides[0]) is not None
    three.sides[0].scroll(1)
    dims.ndisplay = 2
    QApplication.processEvents()
    assert [s.viewer.dims.order for s in three.sides] == [(0, 1, 2), (1, 0, 2)]
    assert cross_of(three.main) == pytest.approx(pixel_of(three.main, three.point), abs=1)


def test_layers_that_come_and_go_do_so_on_all_three(three):
    mine = three.viewer.add_labels(np.zeros((12, 40, 48), np.uint8), name="mine", **_like(three))
    three.viewer.add_points(np.zeros((1, 3)), name="no picture", **_like(three))
    three.hand.qtbot.wait(20)
    names = ["blocks", "semantic", "labels", "preview"]
    assert [[la.name for la in side.viewer.layers] for side in three.sides] == [[*names, "mine"]] * 2
    three.viewer.layers.move(three.viewer.layers.index(mine), 1)
    three.hand.qtbot.wait(20)
    assert [[la.name for la in side.viewer.layers][1] for side in three.sides] == ["mine"] * 2
    three.viewer.layers.remove(mine)
    three.hand.qtbot.wait(20)
    assert [[la.name for la in side.viewer.layers] for side in three.sides] == [names] * 2


def _like(three):
    """The place of the scan."""
    scan = three.viewer.layers["blocks"]
    return {"scale": scan.scale, "units": scan.units}


def test_another_scan_is_shown_in_all_planes_through_a_point_of_its_own(three):
    three.viewer.dims.point = (10, 78, 94)  # beside the other scan
    other = three.hand.open(block_volume((30, 24, 10), spacing=3.0))
    three.hand.qtbot.waitUntil(lambda: three.hand.dock.workbench.scan is other)
    three.hand.rest()
    three.hand.qtbot.wait(20)
    assert three.views.shown and letters_on(three.sides[0].viewer)["top"] == "S"
    assert three.point.tolist()[1:] == [34.5, 43.5]
    for side in three.sides:
        images = [la for la in side.viewer.layers if type(la).__name__ == "Image"]
        assert np.shares_memory(images[-1].data, other.data)
        assert cross_of(side) == pytest.approx(pixel_of(side, three.point), abs=1)
