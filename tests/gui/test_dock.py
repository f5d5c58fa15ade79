"""What the dock shows, and that its buttons do what they say."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QPushButton, QScrollArea, QWidget

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap, Patch
from napari_segsam.gui.few_lines import FewLines
from napari_segsam.gui.keys import KEYS, printed
from napari_segsam.gui.model_rows import missing
from napari_segsam.gui.voxel_counts import VoxelCounts
from napari_segsam.gui.windows import AS_OPENED
from napari_segsam.gui.workbench import Workbench
from tests.fakes import block_volume

LIVER = (10, 8, 5)


@pytest.fixture
def clicked(ready):
    ready.look_at(ready.layers[0], LIVER)
    ready.click(ready.world(ready.layers[0], LIVER))
    ready.rest()
    return ready


def test_both_scores_of_an_answer_are_shown(clicked):
    panel = clicked.dock.object_panel
    assert panel.agreement.text == f"{clicked.session.prediction.decoder_agreement:.2f}"
    assert panel.iou.text == "0.90"


def test_suggestions_are_accepted_by_enter_and_rejected_by_backspace(clicked):
    listed = clicked.dock.suggestions_panel.suggestions
    assert [listed.item(r).text() for r in range(listed.count())] == ["spleen   80%", "kidney left   70%"]
    QTest.keyClick(listed, Qt.Key.Key_Return)
    clicked.rest()
    assert [label.name for label in clicked.session.labels.labels.values()] == ["spleen"]
    QTest.keyClick(listed, Qt.Key.Key_Backspace)
    clicked.rest()
    assert listed.count() == 0
    assert clicked.dock.suggestions_panel.no_suggestions.isVisibleTo(clicked.dock)


def test_the_table_says_name_slices_volume_agreement_and_status(clicked):
    clicked.dock.object_panel.commit.click()
    clicked.rest()
    table = clicked.dock.objects_panel.objects
    session, k = clicked.session, clicked.session.view.index
    ml = (session.labels.voxels == 1).sum() * 8 / 1000
    sure = f"{session.quality(1).agreement:.2f}"
    assert [table.item(0, c).text() for c in range(5)] == ["liver", f"{k}–{k}", f"{ml:.1f} ml", sure, "–"]
    assert table.item(0, 4).toolTip() == "draft"
    clicked.dock.object_panel.undo.click()
    clicked.rest()
    assert table.rowCount() == 0


def test_undo_says_what_it_undoes(clicked):
    assert clicked.dock.object_panel.undo.toolTip() == "Undo: point"
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    assert clicked.dock.object_panel.undo.toolTip() == "Undo: commit liver"


def test_the_other_outlines_are_shown_in_turn(clicked):
    sizes = []
    for _ in range(3):
        sizes.append(int((clicked.layer("preview").data > 0).sum()))
        clicked.dock.object_panel.candidate.click()
        clicked.rest()
    assert len(set(sizes)) == 3


def test_tab_on_the_canvas_shows_the_next_outline(clicked):
    before = clicked.session.prediction.mask.sum()
    clicked.viewer.window.activate()
    clicked.canvas.setFocus()
    clicked.wait(lambda: clicked.canvas.hasFocus())
    clicked.key(Qt.Key.Key_Tab)
    clicked.rest()
    assert clicked.session.prediction.mask.sum() != before


def test_the_window_changes_the_display_and_the_model_only_where_asked(clicked):
    panel, scan = clicked.dock.scan_panel, clicked.layers[0]
    lung = next(w for w in panel.window_preset.choices if w.name == "lung")
    panel.window_preset.value = lung
    assert tuple(scan.contrast_limits) == lung.limits
    assert clicked.session.window is None
    panel.model_sees.value = True
    clicked.rest()
    assert clicked.session.window == lung
    assert clicked.session.prediction.window == lung
    panel.window_preset.value = AS_OPENED
    clicked.rest()
    assert clicked.session.window is None
    assert tuple(scan.contrast_limits) == (-160, 240)


def test_another_modality_keeps_what_was_committed(clicked):
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    committed = clicked.session.labels.voxels.copy()
    clicked.dock.scan_panel.modality.value = "mr"
    clicked.rest()
    assert clicked.session.volume.modality == "mr"
    assert np.array_equal(clicked.session.labels.voxels, committed)
    assert np.shares_memory(clicked.layer("labels").data, clicked.session.labels.voxels)


def test_a_chosen_model_and_device_reach_the_loader(ready, monkeypatch):
    asked, loaded = [], threading.Event()

    def load(model, device):
        asked.append((model, device))
        loaded.set()
        return ready.dock.workbench.controller.predictor

    monkeypatch.setattr(ready.dock.workbench.model, "_load", load)
    ready.dock.scan_panel.device.value = "cpu"
    assert loaded.wait(10)
    ready.rest()
    assert asked == [("nano", "cpu")]


def test_every_key_is_printed_on_its_button_or_told_by_a_tooltip(ready):
    buttons = {b.text().rsplit("  ")[-1] for b in ready.dock.findChildren(QPushButton)}
    only_told = {"cancel", "candidate back", "previous scan"}
    tooltips = " ".join(w.toolTip() for w in ready.dock.findChildren(QWidget))
    for key in (key for key in KEYS if key.action != "class"):  # these are printed on the lines of a list
        said = printed(key.action) in (tooltips if key.action in only_told else buttons)
        assert said, key


def test_no_button_takes_the_keyboard_from_the_canvas(ready):
    assert {b.focusPolicy() for b in ready.dock.object_panel.findChildren(QPushButton)} == {Qt.FocusPolicy.NoFocus}


def test_letters_typed_in_the_suggestion_list_are_still_keys(clicked):
    QTest.keyClick(clicked.dock.suggestions_panel.suggestions, Qt.Key.Key_C)
    clicked.rest()
    assert 1 in clicked.session.labels.labels


def test_the_dock_fits_into_320_pixels(clicked):
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    dock = clicked.dock
    dock.parentWidget().setFixedWidth(320)
    for _ in range(5):
        QApplication.processEvents()
    for widget in dock.findChildren(QWidget):
        if widget.isVisible() and widget.window() is dock.window():
            right = widget.mapTo(dock, widget.rect().topRight()).x()
            assert right <= dock.width(), (widget, widget.objectName(), right)


def test_nothing_of_the_column_lies_below_its_scroll_bar_at_the_docks_least_width(clicked):
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    dock = clicked.dock
    dock.parentWidget().setFixedWidth(dock.minimumWidth())
    for _ in range(5):
        QApplication.processEvents()
    area = dock.findChild(QScrollArea)
    assert area.verticalScrollBar().isVisible()
    assert area.widget().minimumSizeHint().width() <= area.viewport().width()


def test_a_suggestion_that_tab_goes_to_is_named_though_an_object_is_prompted(clicked):
    clicked.viewer.window.activate()
    clicked.canvas.setFocus()
    clicked.wait(lambda: clicked.canvas.hasFocus())
    for _ in clicked.session.prediction.candidates:
        clicked.key(Qt.Key.Key_Tab)
        clicked.rest()
    assert clicked.dock.workbench.choice.suggestion.name == "spleen"
    assert clicked.dock.notice.isVisible() and "spleen 80%" in clicked.dock.notice.text


def test_why_a_model_was_refused_is_not_said_of_another_one(clicked):
    dock, chooser = clicked.dock, clicked.dock.scan_panel.model
    dock.workbench.refused.emit("The file is no model.")
    chooser.value = next(name for name in chooser.choices if missing(name))
    assert dock.scan_panel.note.buttons and not dock.error.text


def test_messages_move_no_button_and_give_way_to_what_works(clicked):
    dock, top = clicked.dock, clicked.dock.object_panel.commit.mapTo(clicked.dock, QPoint(0, 0))
    dock.workbench.refused.emit("Something long went wrong. " * 20)
    QApplication.processEvents()
    assert dock.error.isVisible()
    assert "Something" in dock.error.toolTip()
    assert dock.object_panel.commit.mapTo(dock, QPoint(0, 0)) == top
    dock.object_panel.candidate.click()
    assert not dock.error.text
    assert dock.status.isVisible()
    dock.workbench.refused.emit("Wrong.")
    dock.workbench.told.emit("Saved.")
    assert not dock.error.text
    assert dock.notice.isVisible()
    dock.object_panel.commit.click()
    assert not dock.notice.text


LONG = (
    "CT series 201: slices are 5.00 mm apart, but 10.00 mm between 736.21 and 746.21 mm; a slice is probably missing: "
    "export the series 1.3.46.670589.33.1.6002432791750815306.26862469513794233732 again, or open it made even."
)


def shown_lines(message):
    """What the message's label paints, and whether all of it lies within the label."""
    label = message.findChild(FewLines)
    taken, there = label.fontMetrics().size(0, label.text()), label.contentsRect()
    return label.text().splitlines(), taken.height() <= there.height() and taken.width() <= there.width()


def test_a_long_message_ends_in_an_ellipsis_and_a_click_shows_all_of_it(ready):
    dock = ready.dock
    error, height = dock.error, dock.messages.height()
    dock.workbench.refused.emit(LONG)
    QApplication.processEvents()
    lines, fits = shown_lines(error)
    assert fits and len(lines) == 3 and lines[-1].endswith("…")
    assert error.text == LONG and "made even" in error.toolTip()
    assert dock.messages.height() == height
    QTest.mouseClick(error.more, Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    lines, fits = shown_lines(error)
    assert fits and "".join(lines) == LONG and not error.more.isVisible()
    error.say("")
    assert dock.messages.height() == height


def test_a_short_message_has_nothing_more_and_the_next_one_is_short_again(ready):
    dock = ready.dock
    height = dock.messages.height()
    dock.workbench.refused.emit("Wrong.")
    QApplication.processEvents()
    assert not dock.error.more.isVisible() and shown_lines(dock.error) == (["Wrong."], True)
    dock.workbench.refused.emit(LONG)
    dock.error.more.click()
    dock.workbench.refused.emit("Wrong again.")
    QApplication.processEvents()
    assert dock.messages.height() == height


def test_a_message_shows_no_control_characters_of_a_files_name(ready):
    ready.dock.workbench.refused.emit("evil\n\x1b[31mred.nii.gz is cut short.")
    assert ready.dock.error.text == "evil??[31mred.nii.gz is cut short."


def test_voxel_counts_follow_patches():
    labels = LabelMap(Grid((4, 4, 4), np.eye(4)))
    counts = VoxelCounts(labels)
    patch = Patch("brush", np.array([0, 1, 2]), np.array([0, 0, 0], np.uint16), np.array([3, 3, 3], np.uint16))
    labels.apply(patch)
    labels.labels[3] = Label(3, "liver")
    counts.follow(patch)
    again = VoxelCounts(labels)
    again.count(seconds=10)
    assert again.complete and counts.of(3) == 3 == again.of(3)
    counts.follow(Patch("undo", patch.indices, patch.after, patch.before))
    assert counts.of(3) == 0


@pytest.mark.parametrize("counted", range(5))
def test_a_patch_in_the_middle_of_counting_is_counted_once(counted):
    rng = np.random.default_rng(counted)
    labels = LabelMap(Grid((4, 5, 6), np.eye(4)), rng.integers(0, 3, (4, 5, 6), dtype=np.uint16), {1: Label(1, "a")})
    counts = VoxelCounts(labels)
    while counts._counted < counted:  # as if its time were over there
        counts.count(seconds=1e-9)
    indices = np.sort(rng.choice(120, 40, replace=False))
    before = labels.voxels.reshape(-1)[indices].copy()
    patch = Patch("brush", indices, before, ((before + 1) % 3).astype(np.uint16))
    labels.apply(patch)
    counts.follow(patch)
    counts.count(seconds=10)
    for value in (1, 2):
        there = (labels.voxels == value).sum((0, 1))
        assert counts.of(value) == there.sum() and counts.fullest(value) == there.argmax()


def test_a_workbench_can_be_closed_twice(ready):
    bench: Workbench = ready.dock.workbench
    bench.close()
    bench.close()


def test_the_rest_of_the_volume_is_prepared_until_cancel_is_pressed(hand, predictor):
    embed, never = predictor.embed, threading.Event()

    def slowly(view, window):
        never.wait(0.1)
        return embed(view, window)

    predictor.embed = slowly
    hand.open(block_volume((48, 40, 60)))
    bar = hand.open_dock().preparation
    hand.wait(bar.isVisible)
    assert bar.text.text().startswith("Prepared ") and bar.text.text().endswith(" of 60 slices")
    QTest.mouseClick(bar.cancel, Qt.MouseButton.LeftButton)
    hand.wait(lambda: not bar.isVisible())
    done = len(predictor.embedded)
    assert done < 40
    hand.qtbot.wait(300)
    assert len(predictor.embedded) <= done + 1
