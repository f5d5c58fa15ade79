"""Waiting for a file: the window lives, errors come through, and a person can give up."""

import threading

import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.gui.waiting import CancelledError, WaitDialog, wait_for


def dialog_shown():
    return next((w for w in QApplication.topLevelWidgets() if isinstance(w, WaitDialog) and w.isVisible()), None)


@pytest.fixture
def gate():
    held = threading.Event()
    yield held
    held.set()


def test_what_is_quick_is_answered_without_a_dialog(qtbot):
    seen = []
    timer = QTimer()
    timer.timeout.connect(lambda: seen.append(dialog_shown()))
    timer.start(10)
    assert wait_for(lambda: threading.current_thread().name, "Reading …") == "segsam-files"
    assert not any(seen)


def test_errors_come_through_as_they_are(qtbot):
    def job():
        raise UnreadableInputError("a.nii is damaged.")

    with pytest.raises(UnreadableInputError, match="damaged"):
        wait_for(job, "Reading …")


def test_what_takes_long_says_so_while_the_window_lives(qtbot, gate):
    ticks = []

    def look():
        ticks.append(1)
        if dialog_shown() is not None:
            gate.set()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(20)
    assert wait_for(lambda: gate.wait(20), "Reading …")
    assert len(ticks) > 3


def test_escape_gives_up(qtbot, gate):
    def escape():
        if (dialog := dialog_shown()) is not None:
            QTest.keyClick(dialog, Qt.Key.Key_Escape)

    timer = QTimer()
    timer.timeout.connect(escape)
    timer.start(20)
    with pytest.raises(CancelledError):
        wait_for(lambda: gate.wait(20), "Reading …")


def test_what_must_end_cannot_be_given_up(qtbot, gate):
    def escape():
        if (dialog := dialog_shown()) is not None:
            QTest.keyClick(dialog, Qt.Key.Key_Escape)
            gate.set()

    timer = QTimer()
    timer.timeout.connect(escape)
    timer.start(20)
    assert wait_for(lambda: gate.wait(20), "Writing …", can_cancel=False)


def test_on_another_thread_nobody_is_asked_to_wait(qtbot):
    answers = []
    other = threading.Thread(target=lambda: answers.append(wait_for(lambda: threading.current_thread().name, "")))
    other.start()
    other.join()
    assert answers == [other.name]
