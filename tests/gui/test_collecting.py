"""Prompts that are made with Ctrl held wait for each other, and nobody waits for ever."""

import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

CTRL = Qt.KeyboardModifier.ControlModifier
LIVER, SPLEEN = (10, 8, 5), (35, 10, 5)


def at(hand, *ijk):
    return hand.world(hand.layers[0], ijk)


@pytest.fixture
def looking(ready):
    """On the slice through the middle of the organs."""
    ready.look_at(ready.layers[0], LIVER)
    return ready


def test_prompts_made_with_ctrl_held_are_answered_once_when_it_is_let_go(looking, predictor):
    QTest.keyPress(looking.canvas, Qt.Key.Key_Control, CTRL)
    looking.click(at(looking, *LIVER), modifiers=CTRL)
    looking.click(at(looking, 12, 12, 5), modifiers=CTRL)
    looking.rest()
    assert len(looking.session.prompts.clicks) == 2 and not predictor.predicted
    assert "Collecting" in looking.dock.status.whole
    QTest.keyRelease(looking.canvas, Qt.Key.Key_Control)
    looking.rest()
    assert len(predictor.predicted) == 1 and looking.session.answered
    looking.click(at(looking, *SPLEEN))
    looking.rest()
    assert len(predictor.predicted) == 2


def test_a_drag_made_with_ctrl_held_waits_too(looking, predictor):
    looking.key(Qt.Key.Key_B)
    looking.drag(at(looking, 3, 3, 5), at(looking, 20, 16, 5), CTRL)
    looking.rest()
    assert looking.session.prompts.box and not predictor.predicted
    QTest.keyRelease(looking.canvas, Qt.Key.Key_Control)
    looking.rest()
    assert looking.session.answered


def test_a_window_that_loses_the_keyboard_has_let_ctrl_go(looking):
    looking.click(at(looking, *LIVER), modifiers=CTRL)
    assert not looking.session.answered
    QApplication.sendEvent(looking.canvas.window(), QEvent(QEvent.Type.WindowDeactivate))
    looking.rest()
    assert looking.session.answered


def test_a_click_without_ctrl_ends_the_collecting_that_nobody_saw_end(looking):
    looking.click(at(looking, *LIVER), modifiers=CTRL)
    looking.click(at(looking, 12, 12, 5))
    looking.rest()
    assert looking.session.answered


def test_closing_the_scan_with_ctrl_held_leaves_nobody_waiting(looking):
    looking.click(at(looking, *LIVER), modifiers=CTRL)
    other = looking.open(looking.session.volume)
    looking.dock.workbench.open_scan(other)
    looking.rest()
    looking.look_at(other, LIVER)
    looking.click(looking.world(other, LIVER))
    looking.rest()
    assert looking.session.answered
