"""Prior maps through the dock: a real click on the button, two layers in the right place, and no late or old ones."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_segsam.gui import plugin
from napari_segsam.gui.prior_layers import BOUNDARY, STABILITY
from tests import clickable
from tests.fakes import block_volume

MIDDLE = (6, 6, 6)


@pytest.fixture
def model(monkeypatch):
    """What the dock will load instead of the fake one."""
    made = clickable.predictor()
    monkeypatch.setattr(plugin, "load_model", lambda *_: made)
    return made


@pytest.fixture
def opened(hand, model):
    """A scan with the dock on it, the group unfolded, and few clicks to wait for."""
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.open_dock(patience_s=60)
    hand.look_at(hand.layers[0], MIDDLE)
    panel = hand.dock.prior_panel
    QTest.mouseClick(panel.parentWidget().parentWidget().title, Qt.MouseButton.LeftButton)
    panel.points.setValue(8)
    return hand


def press(hand):
    QTest.mouseClick(hand.dock.prior_panel.make, Qt.MouseButton.LeftButton)


def made(hand):
    """Press, and wait for the maps; what the panel says of them."""
    press(hand)
    hand.wait(lambda: not hand.dock.workbench.controller.everywhere.goes_on, 60)
    return hand.dock.prior_panel.text.whole


def named(hand, name):
    return [layer for layer in hand.viewer.layers if layer.name == name]


def at(layer, world):
    """What a layer's own data have at a world position; None beside them."""
    place = np.rint(layer.world_to_data(world)).astype(int)
    inside = all(0 <= i < n for i, n in zip(place, layer.data.shape, strict=True))
    return layer.data[tuple(place)] if inside else None


def test_the_button_shows_two_maps_on_the_slice_in_their_place(opened):
    scan = opened.layers[0]
    assert made(opened) == "Slice k=6, regions: 'stability' and 'boundary'."
    (stability,), (boundary,) = named(opened, STABILITY), named(opened, BOUNDARY)
    for ijk, inside in (((6, 6, 6), True), ((40, 6, 6), True), ((24, 36, 6), False)):
        world = opened.world(scan, ijk)
        assert (at(stability, world) > 0) == inside, ijk
        assert at(boundary, world) == 0
    edge = opened.world(scan, (1, 10, 6))
    assert at(boundary, edge) == 1
    beside = opened.world(scan, (6, 6, 9))
    assert at(stability, beside) is None  # they are of one slice
    order = list(opened.viewer.layers)
    assert order.index(scan) < order.index(stability) < order.index(opened.layer("preview"))
    assert scan is opened.dock.workbench.scan and opened.dock.workbench.scans == [scan]
    assert opened.viewer.layers.selection.active not in (stability, boundary)


def test_maps_of_another_plane_replace_the_old_ones(opened):
    made(opened)
    (first,) = named(opened, STABILITY)
    opened.viewer.dims.order = (1, 0, 2)
    opened.look_at(opened.layers[0], (6, 12, 6))
    assert first.visible
    made(opened)
    (second,) = named(opened, STABILITY)
    assert second is first and len(named(opened, BOUNDARY)) == 1
    view = opened.session.view
    assert view.axis == 1 and second.data.shape == tuple(np.insert(view.shape, view.depth_axis, 1))
    assert at(second, opened.world(opened.layers[0], (6, 12, 6))) > 0
    opened.layers[0].translate = (10, 20, 30)
    assert at(second, opened.world(opened.layers[0], (6, 12, 6))) > 0


def test_they_go_with_the_scan_and_come_back_where_a_person_deleted_one(opened):
    made(opened)
    opened.viewer.layers.remove(named(opened, STABILITY)[0])
    made(opened)
    assert len(named(opened, STABILITY)) == len(named(opened, BOUNDARY)) == 1
    opened.key(Qt.Key.Key_H)
    opened.viewer.layers.remove(opened.layers[0])
    opened.qtbot.wait(10)
    assert not named(opened, STABILITY) and not named(opened, BOUNDARY)
    assert opened.dock.workbench.scan is None


def test_it_is_seen_how_far_it_is_it_can_be_stopped_and_scrolling_away_ends_it(opened):
    panel = opened.dock.prior_panel
    seen = []
    opened.dock.workbench.controller.everywhere.progress_changed.connect(
        lambda _: seen.append((panel.bar.isVisible(), panel.bar.value()))
    )
    press(opened)
    opened.wait(lambda: len(seen) > 3, 60)
    QTest.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    assert not panel.bar.isVisible() and not opened.dock.workbench.controller.everywhere.goes_on
    assert seen[2][0] and 0 < max(value for _, value in seen) <= 100
    press(opened)
    opened.look_at(opened.layers[0], (6, 6, 8))
    opened.rest()
    assert not opened.dock.workbench.controller.everywhere.goes_on and not named(opened, STABILITY)
    assert not opened.dock.error.text


def test_a_family_without_points_is_refused_in_one_sentence(hand, predictor):
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.open_dock()
    hand.look_at(hand.layers[0], MIDDLE)
    QTest.mouseClick(hand.dock.prior_panel.make, Qt.MouseButton.LeftButton)
    hand.wait(lambda: hand.dock.error.text, 60)
    assert "takes no points" in hand.dock.error.text and not hand.dock.prior_panel.bar.isVisible()


def test_they_are_hidden_and_shown_with_the_other_layers_and_new_ones_are_seen(opened):
    made(opened)
    (stability,), (boundary,) = named(opened, STABILITY), named(opened, BOUNDARY)
    others = [opened.layer(name) for name in ("preview", "labels", "semantic")]
    boundary.visible = False  # by hand
    opened.key(Qt.Key.Key_V)
    assert not any(layer.visible for layer in (stability, boundary, *others))
    opened.key(Qt.Key.Key_V)
    assert stability.visible and not boundary.visible and all(layer.visible for layer in others)
    for layer in others:
        layer.visible = False
    opened.key(Qt.Key.Key_V)
    assert not stability.visible  # it alone was to be seen
    opened.key(Qt.Key.Key_V)
    assert stability.visible and not others[0].visible
    opened.key(Qt.Key.Key_V)
    made(opened)
    assert stability.visible
