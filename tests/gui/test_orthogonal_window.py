"""Three planes come and go with what they show, have room, and leave nothing behind."""

import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDockWidget

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.gui.orthogonal_dock import NAME
from tests.fakes import block_volume
from tests.gui.planes import switch, three_of

ROOMY_PX = 150


@pytest.fixture
def three(ready):
    """The planes of a scan of three blocks."""
    return three_of(ready)


def docked(hand):
    return [d for d in hand.viewer.window._qt_window.findChildren(QDockWidget) if d.objectName() == NAME]


def gone(three):
    """Whether nothing of it is left in the viewer."""
    three.hand.qtbot.wait(30)
    shown = docked(three.hand), three.hand.canvas.findChildren(type(three.views._crosshair or 0))
    listens = [c for c in three.viewer.mouse_move_callbacks if "Orthogonal" in repr(c)]
    box = three.hand.dock.scan_panel.three_planes
    return not three.views.shown and not box.value and not shown[0] and not listens


def test_nothing_is_shown_until_somebody_asks(ready):
    views = ready.dock.scan_panel.views
    assert views.possible and not views.shown and not docked(ready)
    assert ready.dock.scan_panel.three_planes.value is False


@pytest.mark.parametrize(
    ("size", "area"),
    [((1200, 800), "right"), ((800, 600), "right"), ((1200, 800), "left"), ((1200, 800), "bottom")],
)
def test_at_first_the_planes_have_room_wherever_they_are_and_however_small_the_window(hand, size, area):
    hand.viewer.window._qt_window.resize(*size)
    hand.open(block_volume((48, 40, 12)))
    hand.open_dock()
    get_settings().application.plugin_widget_positions[NAME] = area
    try:
        three = three_of(hand)
        hand.wait(lambda: min(docked(hand)[0].widget().width(), docked(hand)[0].widget().height()) >= ROOMY_PX)
        sides = [(side.canvas.width(), side.canvas.height()) for side in three.sides]
        assert min(width * height for width, height in sides) >= ROOMY_PX**2, sides
        assert three.main.canvas.width() >= ROOMY_PX and three.main.canvas.height() >= ROOMY_PX
    finally:
        del get_settings().application.plugin_widget_positions[NAME]


def test_switched_off_nothing_stays_and_it_can_be_switched_on_again(three):
    order = list(three.viewer.layers)
    switch(three.hand, on=False)
    assert gone(three) and list(three.viewer.layers) == order
    switch(three.hand)
    assert three.views.shown and len(docked(three.hand)) == 1


@pytest.mark.parametrize("button", ["close_button", "hide_button"])
def test_the_docks_own_buttons_switch_it_off(three, button):
    QTest.mouseClick(getattr(docked(three.hand)[0].titleBarWidget(), button), Qt.MouseButton.LeftButton)
    assert gone(three)


def test_without_the_scan_there_are_no_planes(three):
    three.viewer.layers.remove("blocks")
    assert gone(three) and not three.hand.dock.scan_panel.three_planes.enabled


def test_the_planes_go_with_the_dock(three):
    three.viewer.window.remove_dock_widget(three.hand.dock)
    assert not three.views.shown and not docked(three.hand)[1:]
    three.hand.qtbot.wait(30)
    assert not docked(three.hand)


def test_a_picture_has_no_other_planes(hand):
    hand.open(Volume(Grid((30, 20, 1), np.eye(4)), np.zeros((30, 20, 1), np.uint8), "us", name="flat"))
    hand.open_dock()
    assert not hand.dock.scan_panel.three_planes.enabled and not hand.dock.scan_panel.views.shown


def test_the_window_can_be_closed_with_the_planes_in_it(three):
    three.viewer.window.close()
