"""The table of objects: by a person's hand, what it says and what it does."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from tests.fakes import block_volume

IN_LIVER, IN_SPLEEN = (10, 8, 6), (35, 8, 6)


@pytest.fixture
def two(ready):
    """Liver and spleen, committed on the middle slice."""
    for place in (IN_LIVER, IN_SPLEEN):
        ready.click(ready.world(ready.layers[0], place))
        ready.rest()
        ready.key(Qt.Key.Key_C)
        ready.key(Qt.Key.Key_M)
        ready.rest()
    ready.panel = ready.dock.objects_panel
    return ready


def names(two):
    return [two.panel.objects.item(r, 0).text() for r in range(two.panel.objects.rowCount())]


def press(two, row, column=0, double=False):
    """A real mouse click on a cell."""
    table = two.panel.objects
    where = table.visualItemRect(table.item(row, column)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    if double:
        QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    two.rest()


def test_a_double_click_goes_back_to_an_object(two):
    before = two.session.value
    press(two, 0, double=True)
    assert (before, two.session.value) == (3, 1)
    assert two.session.class_name == "liver" and two.session.prompts.clicks


def test_going_to_an_object_scrolls_to_its_largest_slice(two):
    there = two.session.view.index
    two.viewer.dims.set_point(0, 0.0)
    two.rest()
    assert two.session.view.index != there
    press(two, 1)
    two.panel.go_to.click()
    two.rest()
    assert two.session.view.index == there and two.session.value == 2


def test_what_is_locked_is_not_deleted_nor_brushed_away(two):
    press(two, 0)
    two.panel.lock.click()
    two.rest()
    assert names(two) == ["liver (locked)", "spleen"]
    assert not two.panel.delete.isEnabled() and two.panel.lock.text() == "Unlock"
    labels, voxels = two.layer("labels"), two.session.labels.voxels.copy()
    two.viewer.layers.selection.active = labels
    two.dock.workbench.arm(None)
    labels.mode, labels.brush_size, labels.selected_label = "paint", 3, 2
    two.drag(two.world(two.layers[0], (8, 8, 6)), two.world(two.layers[0], (14, 8, 6)))
    two.rest()
    assert (two.session.labels.voxels == voxels).all()
    assert "locked" in two.dock.error.text


def test_delete_takes_an_object_away_and_undo_brings_it_back(two):
    press(two, 0)
    QTest.keyClick(two.panel.objects, Qt.Key.Key_Delete)
    two.rest()
    assert names(two) == ["spleen"] and not (two.session.labels.voxels == 1).any()
    two.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    two.rest()
    assert names(two) == ["liver", "spleen"] and (two.session.labels.voxels == 1).any()


def test_a_hidden_object_is_not_drawn_but_stays(two):
    press(two, 0)
    two.panel.hide_.click()
    layer = two.layer("labels")
    assert layer.get_color(1)[3] == 0.0 and layer.get_color(2)[3] > 0.0
    assert names(two) == ["liver (hidden)", "spleen"] and (two.session.labels.voxels == 1).any()
    assert [two.panel.objects.item(row, 0).font().italic() for row in (0, 1)] == [True, False]
    two.panel.hide_.click()
    assert layer.get_color(1)[3] > 0.0


def test_a_status_is_chosen_for_the_object_and_undone_by_name(two):
    press(two, 1)
    two.panel.status.setCurrentText("flagged")
    two.panel.status.textActivated.emit("flagged")
    two.rest()
    assert two.panel.objects.item(1, 4).toolTip() == "flagged"
    assert two.session.undo_names[0] == "spleen flagged"


def test_a_click_on_a_header_sorts_and_a_second_one_turns_round(two):
    across = two.panel.objects.horizontalHeader()

    def header(column):
        x = across.sectionViewportPosition(column) + 5
        QTest.mouseClick(across.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, 5))

    header(2)
    volumes = [two.session.labels.volume_mm3(v) for v in (1, 2)]
    smallest_first = ["liver", "spleen"] if volumes[0] <= volumes[1] else ["spleen", "liver"]
    assert names(two) == smallest_first
    header(2)
    assert names(two) == smallest_first[::-1]


def test_all_sure_suggestions_are_accepted_at_once(ready):
    panel = ready.dock.suggestions_panel
    panel.suggest.click()
    ready.rest()
    assert panel.suggestions.count() == 3
    panel.at_least.setValue(75)
    panel.accept_all.click()
    ready.rest()
    assert sorted(label.name for label in ready.session.labels.labels.values()) == ["liver", "spleen"]
    assert panel.suggestions.count() == 1


def at(two, layer, ijk):
    """What a layer has at a voxel of the scan."""
    grid = two.session.volume.grid
    return two.layer(layer).data[tuple(grid.display.display_index(np.array(ijk), grid.shape))]


def test_no_layer_paints_what_is_hidden(two):
    painted = at(two, "semantic", IN_LIVER)
    press(two, 0)
    two.panel.hide_.click()
    two.rest()
    assert painted and at(two, "semantic", IN_LIVER) == 0
    assert at(two, "semantic", IN_SPLEEN) and two.session.labels.voxels[IN_LIVER] == 1
    two.panel.hide_.click()
    two.rest()
    assert at(two, "semantic", IN_LIVER) == painted


def test_what_is_hidden_stays_so_when_its_scan_is_gone_back_to(two):
    press(two, 0)
    two.panel.hide_.click()
    two.open(block_volume((40, 48, 14)))
    QApplication.processEvents()
    two.rest()
    two.dock.workbench.open_scan(two.layers[0])
    two.rest()
    assert names(two) == ["liver (hidden)", "spleen"]
    assert two.layer("labels").get_color(1)[3] == 0.0 and at(two, "semantic", IN_LIVER) == 0


def test_a_brush_on_a_hidden_object_is_taken_back_and_said(two):
    press(two, 0)
    two.panel.hide_.click()
    labels, voxels = two.layer("labels"), two.session.labels.voxels.copy()
    two.viewer.layers.selection.active = labels
    two.dock.workbench.arm(None)
    labels.mode, labels.brush_size, labels.selected_label = "paint", 3, 1
    two.drag(two.world(two.layers[0], (8, 30, 6)), two.world(two.layers[0], (14, 30, 6)))
    two.rest()
    assert (two.session.labels.voxels == voxels).all()
    assert "hidden" in two.dock.error.text


def test_deleting_by_the_button_says_so(two):
    press(two, 0)
    two.panel.delete.click()
    two.rest()
    assert two.dock.status.whole == "Done: delete liver."
