"""Closing the window with labels that are in no file: by its frame, as a window manager does it."""

import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel, QMessageBox

from napari_segsam.gui.closing import in_words
from napari_segsam.gui.export_dialog import ExportDialog
from napari_segsam.gui.recovery import Recovery
from tests.fakes import block_volume

IN_LIVER = (10, 8, 6)


class FrameClicked(QCloseEvent):
    """What Qt sends when the window system wants a window closed."""

    def spontaneous(self):
        return True


@pytest.fixture
def committed(ready):
    """Liver committed and not saved."""
    ready.click(ready.world(ready.layers[0], IN_LIVER))
    ready.rest()
    ready.key(Qt.Key.Key_C)
    ready.rest()
    return ready


def close_by_its_frame(hand, answer):
    """Click the x of the window, then the button with this text; what the person read."""
    window, event, read = hand.viewer.window._qt_window, FrameClicked(), []
    QApplication.sendEvent(window, event)
    assert not event.isAccepted()

    def press():
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox) and not read:
            read.append(box.text())
            button = next(b for b in box.buttons() if b.text().replace("&", "") == answer)
            QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        return bool(read)

    hand.wait(press)
    QApplication.processEvents()
    return read[0]


def test_the_person_is_asked_and_can_stay(committed):
    assert close_by_its_frame(committed, "Cancel") == "The labels of blocks are not saved."
    assert committed.viewer.window._qt_window.isVisible() and committed.session.unsaved


def test_the_window_closes_where_the_person_says_so(committed):
    closed, window = [], committed.viewer.window._qt_window
    window.close = lambda: closed.append(True)  # the fixture still needs the window
    close_by_its_frame(committed, "Close")
    committed.wait(lambda: closed)
    del window.close


def test_saving_comes_with_the_dialog_that_saves(committed, monkeypatch):
    opened = []
    monkeypatch.setattr(ExportDialog, "exec", lambda _dialog: opened.append(True) or 0)
    close_by_its_frame(committed, "Save")
    committed.wait(lambda: opened)
    assert committed.viewer.window._qt_window.isVisible()


def test_scans_that_were_left_are_named_too(committed):
    committed.open(block_volume((40, 40, 12)))
    committed.rest()
    committed.wait(lambda: committed.dock.workbench.scan is not committed.layers[0])
    assert committed.dock.workbench.unsaved == ["blocks"]
    committed.dock.workbench.open_scan(committed.layers[0])
    assert committed.dock.workbench.unsaved == ["blocks"]


def test_what_was_taken_out_unsaved_is_named_and_save_is_not_offered_for_it(committed):
    committed.viewer.layers.remove(committed.layers[0])
    QApplication.processEvents()
    QApplication.sendEvent(committed.viewer.window._qt_window, FrameClicked())
    committed.wait(lambda: isinstance(QApplication.activeModalWidget(), QMessageBox))
    box = QApplication.activeModalWidget()
    assert box.text() == "The labels of blocks are not saved."
    assert sorted(button.text().replace("&", "") for button in box.buttons()) == ["Cancel", "Close"]
    box.reject()
    QApplication.processEvents()
    assert committed.viewer.window._qt_window.isVisible() and committed.dock.workbench.unsaved == ["blocks"]


def test_nobody_is_asked_where_all_is_saved(committed):
    assert committed.dock.workbench.unsaved == ["blocks"]
    committed.session.mark_saved()
    assert committed.dock.workbench.unsaved == []


def test_the_window_is_closed_though_the_dock_floats(committed):
    committed.dock.parentWidget().setFloating(True)
    closed, window = [], committed.viewer.window._qt_window
    window.close = lambda: closed.append(True)
    close_by_its_frame(committed, "Close")
    committed.wait(lambda: closed)
    del window.close


def test_a_journal_that_cannot_be_written_is_not_called_a_safe_place(committed, monkeypatch):
    monkeypatch.setattr(Recovery, "keeps", False)
    window, event = committed.viewer.window._qt_window, FrameClicked()
    QApplication.sendEvent(window, event)
    box = QApplication.activeModalWidget()
    assert "will be lost" in box.informativeText()
    QTest.keyClick(box, Qt.Key.Key_Escape)


def test_napari_s_own_question_says_what_is_unsaved(committed):
    def read():
        question = QApplication.activeModalWidget()
        texts.extend(label.text() for label in question.findChildren(QLabel))
        question.reject()

    texts = []
    QTimer.singleShot(300, read)
    committed.viewer.window._qt_window.close(confirm_need=True)
    assert any("The labels of blocks are not saved." in text for text in texts)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a"], "The labels of a are not saved."),
        (["a", "b"], "The labels of a and b are not saved."),
        (["a", "b", "c", "d"], "The labels of a, b, c and 1 other scan are not saved."),
        (["a", "b", "c", "d", "e"], "The labels of a, b, c and 2 other scans are not saved."),
    ],
)
def test_the_question_names_a_few_scans(names, text):
    assert in_words(names) == text
