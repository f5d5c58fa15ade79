"""The list of what was done: by a person's hand."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_segsam.engine.session import Session
from tests.fakes import block_volume

IN_LIVER, IN_SPLEEN = (10, 8, 6), (35, 8, 6)
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def worked(ready):
    """Liver committed, then the spleen clicked."""
    scan = ready.layers[0]
    ready.click(ready.world(scan, IN_LIVER))
    ready.rest()
    ready.key(Qt.Key.Key_C)
    ready.key(Qt.Key.Key_M)
    ready.click(ready.world(scan, IN_SPLEEN))
    ready.rest()
    ready.panel = ready.dock.history_panel
    return ready


def unfold(hand):
    QTest.mouseClick(hand.panel.fold.title, Qt.MouseButton.LeftButton)
    hand.rest()


def rows(hand):
    model = hand.panel.list.model()
    return [model.data(model.index(row)) for row in range(model.rowCount())]


def press(hand, row):
    """A real mouse click on a line."""
    lines = hand.panel.list
    lines.scrollTo(lines.model().index(row))
    where = lines.visualRect(lines.model().index(row)).center()
    QTest.mouseClick(lines.viewport(), Qt.MouseButton.LeftButton, pos=where)
    hand.rest()


def test_a_click_goes_back_to_a_line_and_another_one_forward_again(worked):
    unfold(worked)
    done = ["(as it was opened)", "point", "commit liver", "next object", "point"]
    assert rows(worked) == done and worked.panel.list.currentIndex().row() == 4
    press(worked, 1)
    assert worked.session.undo_names == ("point",) and not worked.session.labels.voxels.any()
    assert rows(worked) == done and worked.panel.list.currentIndex().row() == 1
    press(worked, 4)
    assert worked.session.redo_names == () and worked.session.labels.voxels.any()
    press(worked, 0)
    assert worked.session.undo_names == ()


def test_a_folded_list_is_filled_when_it_is_opened_and_follows_from_then_on(worked):
    assert rows(worked) == ["(as it was opened)"]
    unfold(worked)
    worked.key(Qt.Key.Key_Z, CTRL)
    worked.rest()
    assert worked.panel.list.currentIndex().row() == 3 and len(rows(worked)) == 5
    worked.key(Qt.Key.Key_C)
    worked.rest()
    assert rows(worked)[-1] == "point"


def test_the_buttons_name_the_next_step_without_a_list_of_all_steps_which_may_be_thousands(worked, monkeypatch):
    def listed(_session):
        raise AssertionError("all steps were listed")

    panel = worked.dock.object_panel
    for names in ("undo_names", "redo_names"):
        monkeypatch.setattr(Session, names, property(listed))
    worked.key(Qt.Key.Key_Z, CTRL)
    worked.rest()
    assert (panel.undo.toolTip(), panel.redo.toolTip()) == ("Undo: next object", "Redo: point")
    worked.key(Qt.Key.Key_Z, CTRL)
    worked.key(Qt.Key.Key_Z, CTRL)
    worked.key(Qt.Key.Key_Z, CTRL)
    worked.rest()
    assert panel.undo.toolTip() == "Nothing to undo" and not panel.undo.isEnabled() and panel.redo.isEnabled()


def test_another_scan_has_a_history_of_its_own(worked):
    unfold(worked)
    worked.open(block_volume((40, 40, 12)))
    worked.rest()
    worked.wait(lambda: rows(worked) == ["(as it was opened)"])
