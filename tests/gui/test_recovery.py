"""Work that was cut off is offered back when its scan is opened again, by a person who clicks the dock's buttons."""

import shutil
from datetime import UTC, datetime, timedelta

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsam.engine.journal.unfinished import Unfinished
from napari_segsam.gui.recovery import in_words
from tests.engine.journal.journalled import differs, facts
from tests.fakes import block_volume
from tests.gui.conftest import Hand

LIVER, SPLEEN, KIDNEY = (10, 8, 5), (30, 8, 4), (30, 30, 7)
SHAPE = (48, 40, 12)


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def click(hand, ijk):
    hand.look_at(hand.layers[0], ijk)
    hand.click(hand.world(hand.layers[0], ijk))
    hand.rest()


def work(hand):
    """Two objects committed, one of them undone, a third one clicked."""
    for ijk in (LIVER, SPLEEN):
        click(hand, ijk)
        hand.key(Qt.Key.Key_C)
        hand.key(Qt.Key.Key_M)
        hand.rest()
    for _ in range(2):
        hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    hand.key(Qt.Key.Key_M)
    click(hand, KIDNEY)


def crashed(hand, journals, tmp_path, monkeypatch):
    """What a killed program leaves: the files as they are now, and nobody who writes them."""
    hand.wait(lambda: len(list(journals.glob("*.journal"))) == 1)
    recorder = next(iter(hand.dock.recovery._recorders.values()))
    hand.wait(lambda: not recorder._waiting)
    shutil.copytree(journals, tmp_path / "after" / "journals")
    monkeypatch.setenv("SEGSAM_STATE", str(tmp_path / "after"))


@pytest.fixture
def again(make_napari_viewer, qtbot):
    """Opens the window anew."""

    def open_anew(volume=None):
        hand = Hand(make_napari_viewer(show=True), qtbot)
        hand.viewer.window._qt_window.resize(1200, 800)
        if volume is not None:
            hand.layers = [hand.open(volume)]
        hand.open_dock(ready=volume is not None)
        return hand

    return open_anew


def test_work_that_was_cut_off_is_restored_by_one_click(ready, again, journals, tmp_path, monkeypatch):
    work(ready)
    crashed(ready, journals, tmp_path, monkeypatch)
    expected = facts(ready.session)
    other = again(block_volume(SHAPE))
    offer = other.dock.offer
    other.wait(offer.isVisible)
    assert "(1 object)" in offer.text.text() and "this scan" in offer.text.text()
    press(offer.buttons["restore"])
    other.wait(lambda: other.session.undo_names)
    other.rest()
    assert differs(expected, facts(other.session)) == ""
    assert not offer.isVisible()
    assert np.array_equal(other.layer("labels").data, other.session.volume.grid.display.to_display(expected["voxels"]))
    assert other.layer("preview").data.any(), "the third object's prompt is answered anew"
    assert other.dock.objects_panel.objects.item(0, 0).text() == "liver"
    other.key(Qt.Key.Key_C)
    other.rest()
    assert "kidney_left" in [label.name for label in other.session.labels.labels.values()]
    other.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(other.session.labels.voxels, expected["voxels"])


def test_prompts_of_an_object_that_is_not_worked_on_are_offered_after_the_window_is_closed(ready, again):
    click(ready, LIVER)
    ready.key(Qt.Key.Key_M)
    ready.rest()
    assert not ready.session.all_prompts
    ready.viewer.close()
    other = again(block_volume(SHAPE))
    other.wait(other.dock.offer.isVisible)
    press(other.dock.offer.buttons["restore"])
    other.wait(lambda: other.session.undo_names == ("next object", "point"))
    assert other.session.is_open(1, (2, LIVER[2]))


def test_unsaved_work_of_a_window_that_is_closed_is_offered_until_it_is_discarded(ready, again, journals):
    click(ready, LIVER)
    ready.viewer.close()
    other = again(block_volume(SHAPE))
    other.wait(other.dock.offer.isVisible)
    assert "(nothing committed yet)" in other.dock.offer.text.text()
    press(other.dock.offer.buttons["later"])
    other.dock.workbench.set_modality("mr")
    click(other, SPLEEN)
    other.wait(lambda: len(list(journals.glob("*.journal"))) == 2)
    assert not other.dock.offer.isVisible(), "not twice in one window"
    other.viewer.window.remove_dock_widget(other.dock)
    other.open_dock()
    other.wait(other.dock.offer.isVisible)
    press(other.dock.offer.buttons["discard"])
    other.wait(lambda: len(list(journals.glob("*.closed"))) == 1)
    other.wait(other.dock.offer.isVisible)
    press(other.dock.offer.buttons["discard"])
    other.wait(lambda: len(list(journals.glob("*.closed"))) == 2)
    assert not other.dock.offer.isVisible() and not other.session.undo_names


def test_only_unfinished_work_leaves_a_journal_to_restore(ready, journals):
    ready.look_at(ready.layers[0], SPLEEN)
    ready.rest()
    ready.viewer.window.remove_dock_widget(ready.dock)
    assert not journals.exists(), "looking is no work"
    ready.open_dock()
    click(ready, LIVER)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.session.mark_saved()
    ready.viewer.window.remove_dock_widget(ready.dock)
    assert [p.suffix for p in journals.iterdir()] == [".closed"]


def test_labels_whose_older_journal_is_discarded_are_in_a_new_one(ready, again, journals, tmp_path, monkeypatch):
    click(ready, LIVER)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.wait(lambda: list(journals.glob("*.journal")))
    dock, ready.dock = ready.dock, None
    ready.viewer.window.remove_dock_widget(dock)
    ready.open_dock()
    ready.wait(ready.dock.offer.isVisible)
    expected = ready.session.labels.voxels.copy()
    assert expected.any() and ready.session.unsaved
    older = list(journals.glob("*.journal"))
    press(ready.dock.offer.buttons["discard"])
    ready.wait(lambda: not any(path.exists() for path in older))
    crashed(ready, journals, tmp_path, monkeypatch)
    other = again(block_volume(SHAPE))
    other.wait(lambda: "(1 object)" in other.dock.offer.text.text())
    press(other.dock.offer.buttons["restore"])
    other.wait(lambda: other.session.labels.labels)
    assert np.array_equal(other.session.labels.voxels, expected) and other.session.unsaved


def test_what_could_not_be_restored_is_said_until_it_is_read(ready, again, journals, tmp_path, monkeypatch):
    for _ in range(2):
        click(ready, LIVER)
    crashed(ready, journals, tmp_path, monkeypatch)
    (journal,) = (tmp_path / "after" / "journals").glob("*.journal")
    journal.write_bytes(journal.read_bytes()[:-5])
    other = again(block_volume(SHAPE))
    offer = other.dock.offer
    other.wait(offer.isVisible)
    press(offer.buttons["restore"])
    other.wait(lambda: other.session.undo_names)
    other.rest()
    assert offer.text.text() == "The last change was not wholly on the disk and is missing."
    assert [name for name, button in offer.buttons.items() if button.isVisible()] == ["read"]
    press(offer.buttons["read"])
    assert not offer.isVisible()


def test_a_start_without_a_scan_opens_the_one_that_was_worked_on(hand, again, journals, tmp_path, monkeypatch):
    path = tmp_path / "scan.nii.gz"
    volume = block_volume(SHAPE)
    nib.save(nib.Nifti1Image(volume.voxels, np.diag([-2.0, -2.0, 2.0, 1.0])), path)
    hand.viewer.open(path, plugin="napari-segsam")
    hand.layers = [hand.viewer.layers[0]]
    hand.open_dock()
    work(hand)
    crashed(hand, journals, tmp_path, monkeypatch)
    expected = facts(hand.session)
    other = again()
    other.wait(other.dock.offer.isVisible)
    assert "scan.nii.gz" in other.dock.offer.text.text()
    press(other.dock.offer.buttons["restore"])
    other.wait(lambda: other.dock.workbench.controller and other.session.undo_names)
    assert differs(expected, facts(other.session)) == ""


def test_a_folder_that_takes_no_journal_is_said_once_and_work_goes_on(hand, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEGSAM_STATE", str(tmp_path / "file"))
    hand.layers = [hand.open(block_volume(SHAPE))]
    hand.open_dock()
    click(hand, LIVER)
    hand.wait(lambda: "journal could not be written" in hand.dock.offer.text.text())
    press(hand.dock.offer.buttons["read"])
    hand.key(Qt.Key.Key_C)
    hand.rest()
    assert hand.session.labels.voxels.any() and not hand.dock.offer.isVisible()


def test_the_sentence_says_when_and_how_much():
    now = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
    found = Unfinished(None, now - timedelta(minutes=28), 5)
    assert in_words(found, "this scan", now) == "Unfinished work on this scan from 14:32 (5 objects)."
    earlier = Unfinished(None, now - timedelta(days=2), 0)
    assert (
        in_words(earlier, "a.nii", now) == "Unfinished work on a.nii from 19 November, 15:00 (nothing committed yet)."
    )
    damaged = Unfinished(None, now, None)
    assert in_words(damaged, "this scan", now).endswith("from 15:00 is damaged and cannot be restored.")
