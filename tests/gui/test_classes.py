"""Naming an object: by rank, by search, by a name of one's own; and what the dock says of a class."""

import threading

import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialogButtonBox, QWidget

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.terminology import ClassCard, Vocabulary
from napari_segsam.gui import class_bar, class_book
from napari_segsam.gui.class_dialog import ClassDialog
from napari_segsam.gui.class_panel import ClassPanel
from napari_segsam.io.class_cards import keep_own, own_cards
from tests.fakes import CLASSES, block_volume

LIVER, SPLEEN, AIR = (10, 8, 5), (36, 8, 5), (2, 30, 5)
STENT = ClassCard("renal_stent", ("ct",), (), "", (), ("A long thin tube",) * 5)
ALT = Qt.KeyboardModifier.AltModifier


@pytest.fixture
def clicked(ready):
    ready.look_at(ready.layers[0], LIVER)
    ready.click(ready.world(ready.layers[0], LIVER))
    ready.rest()
    ready.viewer.window.activate()
    ready.canvas.setFocus()
    ready.wait(ready.canvas.hasFocus)
    ready.wait(lambda: panel(ready).book.card("liver"))
    return ready


@pytest.fixture
def learning(monkeypatch):
    """What the model was given to learn; no sentence encoder runs."""
    asked = []
    monkeypatch.setattr(class_book, "learn_class", lambda model, card: asked.append((model, card)))
    return asked


def panel(hand) -> ClassPanel:
    return hand.dock.object_panel.classes


def lines(hand):
    return [(row.key, row.text, row.note) for row in panel(hand).rows.shown]


def click_row(hand, row):
    rows = panel(hand).rows
    QTest.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=rows.visualItemRect(rows.item(row, 1)).center())
    QApplication.processEvents()


def seek(hand, text):
    search = panel(hand).search
    QTest.mouseClick(search, Qt.MouseButton.LeftButton)
    hand.wait(search.hasFocus)
    QTest.keyClicks(search, text)
    QApplication.processEvents()
    return search


def rows_for(hand, text):
    seek(hand, text)
    return panel(hand).rows.shown


def dialog(hand) -> ClassDialog:
    hand.wait(lambda: panel(hand).findChildren(ClassDialog))
    found = panel(hand).findChildren(ClassDialog)[0]
    hand.wait(found.isVisible)
    return found


def press_ok(hand, asked):
    QTest.mouseClick(asked.buttons.button(QDialogButtonBox.StandardButton.Ok), Qt.MouseButton.LeftButton)
    hand.wait(lambda: not panel(hand).findChildren(ClassDialog))
    hand.rest()


def point_at(hand, ijk):
    """Move the cursor over a voxel, without a button."""
    place, none = QPointF(hand.pixel(hand.world(hand.layers[0], ijk))), Qt.MouseButton.NoButton
    for step in (QPointF(1, 0), QPointF(0, 0)):
        at = place + step
        moved = QMouseEvent(
            QEvent.Type.MouseMove, at, hand.canvas.mapToGlobal(at), none, none, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(hand.canvas, moved)
    QApplication.processEvents()


def test_the_ranked_classes_are_listed_with_their_keys_and_scores(clicked):
    assert lines(clicked) == [("Alt+1", "liver", "93%"), ("Alt+2", "spleen", "5%"), ("Alt+3", "kidney left", "2%")]
    assert "liver" in panel(clicked).current.text() and "93%" in panel(clicked).current.text()
    assert "right upper" in panel(clicked).rows.item(0, 1).toolTip()


def test_the_scores_stay_after_the_commit_until_the_next_object(clicked):
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    assert lines(clicked)[0] == ("Alt+1", "liver", "93%")
    clicked.key(Qt.Key.Key_M)
    clicked.rest()
    assert lines(clicked) == [] and panel(clicked).current.text() == "no class yet"


def test_an_object_of_which_everything_was_undone_has_no_class_until_that_is_redone(clicked):
    assert "liver" in panel(clicked).current.text()
    clicked.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    clicked.rest()
    assert not clicked.session.undo_names and panel(clicked).current.text() == "no class yet"
    clicked.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    clicked.rest()
    assert "liver" in panel(clicked).current.text()


@pytest.mark.parametrize("layer", ["semantic", "labels", "prompts: points", "image"])
def test_alt_and_a_number_on_the_canvas_choose_by_rank_whatever_layer_is_active(clicked, layer):
    active = clicked.layers[0] if layer == "image" else clicked.layer(layer)
    clicked.viewer.layers.selection.active = active
    mode = active.mode
    for rank in (2, 3, 1):
        clicked.key(Qt.Key(Qt.Key.Key_0 + rank), ALT)
        assert clicked.session.chosen_class == CLASSES[rank - 1] and active.mode == mode
    before = clicked.session.undo_names
    for number in range(4, 10):  # there are three
        clicked.key(Qt.Key(Qt.Key.Key_0 + number), ALT)
    assert clicked.session.undo_names == before


def test_a_click_on_a_line_chooses_and_leaves_the_keyboard_on_the_canvas(clicked):
    click_row(clicked, 1)
    assert clicked.session.chosen_class == "spleen" and clicked.canvas.hasFocus()
    assert "chosen" in panel(clicked).current.text()
    clicked.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert clicked.session.chosen_class is None and "93%" in panel(clicked).current.text()


def test_a_class_is_found_by_name_and_by_other_spellings(clicked):
    for typed, found in (("Left kid", "kidney_left"), ("hepar", "liver"), ("SPLEEN", "spleen"), ("aort", "aorta")):
        search = seek(clicked, typed)
        QTest.keyClick(search, Qt.Key.Key_Return)
        assert clicked.session.chosen_class == found
        assert clicked.canvas.hasFocus() and search.text() == ""


def test_what_the_model_ranks_comes_first_among_equals(clicked):
    QTest.keyClick(seek(clicked, "kidney l"), Qt.Key.Key_Return)
    seek(clicked, "kid")
    assert [row.text for row in panel(clicked).rows.shown[:3]] == ["kidney left", "kidney", "kidney cyst"]


def test_a_class_is_found_by_the_meaning_of_its_code(clicked):
    seek(clicked, "innominate")
    assert lines(clicked)[0][1] == "brachiocephalic trunk"


def test_arrows_mark_another_line_and_alt_with_a_number_takes_it_from_the_search(clicked):
    search = seek(clicked, "kidney")
    second, third = (row.name for row in panel(clicked).rows.shown[1:3])
    QTest.keyClick(search, Qt.Key.Key_Down)
    QTest.keyClick(search, Qt.Key.Key_Return)
    assert clicked.session.chosen_class == second
    QTest.keyClick(seek(clicked, "kidney"), Qt.Key.Key_3, ALT)
    assert clicked.session.chosen_class == third and panel(clicked).search.text() == ""


def test_letters_are_typed_in_the_search_until_escape_gives_the_keyboard_back_to_the_canvas(clicked):
    search = seek(clicked, "pbtcm")
    assert not clicked.session.labels.labels and clicked.dock.workbench.positive  # letters in the search are no keys
    QTest.keyClick(search, Qt.Key.Key_Escape)
    QApplication.processEvents()
    assert clicked.canvas.hasFocus() and search.text() == "" and lines(clicked)[0][1] == "liver"
    assert clicked.session.chosen_class is None
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    assert 1 in clicked.session.labels.labels


def test_an_object_can_be_called_what_nobody_described(clicked, learning):
    QTest.keyClick(seek(clicked, "Renal stent"), Qt.Key.Key_Return)
    press_ok(clicked, dialog(clicked))
    assert clicked.session.chosen_class == "renal_stent" and learning == []
    assert "will not suggest it" in clicked.dock.notice.text
    clicked.key(Qt.Key.Key_C)
    clicked.key(Qt.Key.Key_M)
    clicked.rest()
    assert [row.text for row in rows_for(clicked, "renal stent")] == ["renal stent", "Describe 'renal stent' …"]
    QTest.keyClick(panel(clicked).search, Qt.Key.Key_Return)
    assert clicked.session.chosen_class == "renal_stent" and clicked.session.labels.labels[1].name == "renal_stent"


def test_an_own_name_is_painted_in_labels_and_not_in_semantic(clicked, learning):
    clicked.dock.workbench.controller.choose_class("renal_stent")
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    mine = clicked.session.labels.voxels == 1
    assert mine.any() and not clicked.session.semantic.voxels[mine].any()


def test_what_cannot_be_a_name_is_said_in_the_dock(clicked):
    QTest.keyClick(seek(clicked, "union_of_all"), Qt.Key.Key_Return)
    assert "union_" in clicked.dock.error.text and clicked.session.chosen_class is None


def describe(asked):
    for line in asked.lines.values():
        QTest.keyClicks(line, "A long thin tube")


def test_a_described_class_is_learnt_by_the_model_that_is_loaded_then(clicked, learning, predictor):
    QTest.keyClick(seek(clicked, "Renal stent"), Qt.Key.Key_Return)
    asked = dialog(clicked)
    ok = asked.buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert ok.text() == "Name the object only"
    QTest.keyClicks(asked.lines["shape"], "x")
    assert not ok.isEnabled() and "all five" in asked.wrong.text()
    asked.lines["shape"].clear()
    describe(asked)
    predictor.vocabulary = Vocabulary((*CLASSES, "renal_stent"))
    press_ok(clicked, asked)
    clicked.wait(lambda: "renal stent as one more class" in clicked.dock.notice.text)
    clicked.rest()
    ((model, card),) = learning
    assert model == "nano" and card.name == "renal_stent" and card.modalities == ("ct",)
    assert card.sentences == ("A long thin tube",) * 5
    assert "renal_stent" in clicked.session.vocabulary.names and clicked.session.chosen_class == "renal_stent"


def test_a_model_that_cannot_learn_a_class_says_why_and_the_object_has_its_name(clicked, monkeypatch):
    def refuse(_model, _card):
        raise SegsamError("It needs the extra 'text': pip install 'napari-segsam[text]'.")

    monkeypatch.setattr(class_book, "learn_class", refuse)
    QTest.keyClick(seek(clicked, "Renal stent"), Qt.Key.Key_Return)
    asked = dialog(clicked)
    describe(asked)
    press_ok(clicked, asked)
    clicked.wait(lambda: clicked.dock.error.text)
    assert "napari-segsam[text]" in clicked.dock.error.text and "will not suggest it" in clicked.dock.error.text
    assert clicked.session.chosen_class == "renal_stent"


@pytest.mark.parametrize(("typed", "known"), [("Liver", "liver"), ("Hepar", "liver"), ("Pancreas", "pancreas")])
def test_the_dialog_refuses_a_name_that_is_a_class_already(clicked, learning, typed, known):
    QTest.keyClick(seek(clicked, "Renal stent"), Qt.Key.Key_Return)
    asked = dialog(clicked)
    describe(asked)
    asked.name_line.clear()
    QTest.keyClicks(asked.name_line, typed)
    ok = asked.buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert not ok.isEnabled() and f"{typed} is the class '{known}'" in asked.wrong.text()
    QTest.keyClicks(asked.name_line, " stent")
    assert ok.isEnabled() and asked.wrong.text() == ""
    QTest.keyClick(asked, Qt.Key.Key_Escape)
    clicked.wait(lambda: not panel(clicked).findChildren(ClassDialog))


def test_a_card_that_was_kept_though_this_model_cannot_learn_it_is_not_asked_for_again(clicked, monkeypatch):
    def keep_and_refuse(_model, card):
        keep_own(card)
        raise SegsamError("It needs the extra 'text'.")

    monkeypatch.setattr(class_book, "learn_class", keep_and_refuse)
    book = panel(clicked).book
    book.add("renal_stent", STENT)
    clicked.wait(lambda: clicked.dock.error.text)
    clicked.wait(lambda: book.card("renal_stent"))
    assert book.card("renal_stent") == STENT and "extra 'text'" in clicked.dock.error.text
    assert [row.text for row in rows_for(clicked, "renal stent")] == ["renal stent"]


def test_a_card_that_was_not_kept_can_be_written_anew(clicked, monkeypatch):
    def refuse(_model, _card):
        raise SegsamError("Its sentences are those of another class.")

    monkeypatch.setattr(class_book, "learn_class", refuse)
    panel(clicked).book.add("renal_stent", STENT)
    clicked.wait(lambda: clicked.dock.error.text)
    clicked.rest()
    assert [row.text for row in rows_for(clicked, "renal stent")][-1] == "Describe 'renal stent' …"


def test_a_run_through_the_slices_goes_on_before_the_model_with_a_new_class_is_loaded(
    clicked, learning, predictor, monkeypatch
):
    bench, gate, predict = clicked.dock.workbench, threading.Event(), predictor.predict
    through, loaded, told = bench.controller.through, [], []
    monkeypatch.setattr(predictor, "predict", lambda *asked: gate.wait(10) and predict(*asked))
    monkeypatch.setattr(bench, "use_model", lambda *_: loaded.append(through.progress))
    bench.told.connect(told.append)
    clicked.key(Qt.Key.Key_K)
    panel(clicked).book.add("renal_stent", STENT)
    assert through.progress is not None
    gate.set()
    clicked.wait(lambda: loaded)
    assert loaded == [None] and any("run through the slices" in text for text in told)


def test_the_window_answers_while_a_model_learns_a_class(clicked, monkeypatch):
    never = threading.Event()
    monkeypatch.setattr(class_book, "learn_class", lambda model, card: never.wait(10))
    QTest.keyClick(seek(clicked, "Renal stent"), Qt.Key.Key_Return)
    asked = dialog(clicked)
    describe(asked)
    press_ok(clicked, asked)
    clicked.key(Qt.Key.Key_C)
    assert clicked.session.labels.labels[1].name == "renal_stent"
    never.set()
    clicked.rest()


def test_a_cancelled_dialog_changes_nothing(clicked, learning):
    QTest.keyClick(seek(clicked, "Renal stent"), Qt.Key.Key_Return)
    QTest.keyClick(dialog(clicked), Qt.Key.Key_Escape)
    clicked.wait(lambda: not panel(clicked).findChildren(ClassDialog))
    assert clicked.session.chosen_class is None and learning == [] and own_cards() == {}


def test_a_broken_file_of_own_classes_is_said_and_the_others_are_there(ready, journals):
    """The window was opened with it."""
    journals.parent.mkdir(parents=True, exist_ok=True)
    (journals.parent / "classes.toml").write_text("[class.stent\n")
    book = panel(ready).book
    book._follow(ready.dock.workbench.controller)
    ready.wait(lambda: "classes.toml" in ready.dock.error.text)
    assert book.card("liver") is not None


def test_a_broken_file_of_own_classes_is_still_said_once_the_model_is_there(hand, predictor, journals):
    journals.parent.mkdir(parents=True, exist_ok=True)
    (journals.parent / "classes.toml").write_text("[class.stent\n")
    hand.open(block_volume())
    assert "classes.toml" in hand.open_dock().error.text


def test_the_cards_name_is_that_of_what_the_cursor_rests_on(clicked):
    bar = clicked.dock.class_bar
    QTest.mouseClick(bar.show_card, Qt.MouseButton.LeftButton)
    point_at(clicked, LIVER)
    clicked.wait(lambda: "liver" in bar.title.text())
    said = bar.card.toPlainText()
    assert "Not to be taken for" in said and "SNOMED CT 10200004" in said and bar.card.isVisible()
    clicked.key(Qt.Key.Key_C)
    clicked.dock.workbench.controller.choose_class("renal_stent")
    clicked.rest()
    clicked.wait(lambda: "renal stent" in bar.title.text())
    assert "Nobody has described" in bar.card.toPlainText()
    point_at(clicked, SPLEEN)
    clicked.wait(lambda: "spleen" in bar.title.text())  # suggested there
    point_at(clicked, AIR)
    clicked.wait(lambda: bar.title.text() == "No object at the cursor")


def test_the_legend_lists_what_is_on_the_slice(clicked):
    bar = clicked.dock.class_bar
    QTest.mouseClick(bar.show_legend, Qt.MouseButton.LeftButton)
    clicked.wait(lambda: "liver" in bar.legend.toPlainText())
    listed = " ".join(bar.legend.toPlainText().split())
    assert listed == "Not committed ■ liver Suggested ■ kidney left ■ spleen"
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    clicked.wait(lambda: bar.legend.toPlainText().startswith("Committed ■"))
    clicked.look_at(clicked.layers[0], (10, 8, 0))
    clicked.wait(lambda: "Nothing is committed" in bar.legend.toPlainText())


def test_why_the_legend_could_not_be_made_is_logged_with_its_trace(clicked, monkeypatch, caplog):
    def break_down(*_):
        raise RuntimeError("out of order")

    monkeypatch.setattr(class_bar, "values_in", break_down)
    QTest.mouseClick(clicked.dock.class_bar.show_legend, Qt.MouseButton.LeftButton)
    clicked.wait(lambda: "legend" in caplog.text)
    assert "Traceback" in caplog.text and "out of order" in caplog.text


def test_names_cards_and_legend_fit_into_320_pixels(clicked):
    dock, bar = clicked.dock, clicked.dock.class_bar
    dock.parentWidget().setFixedWidth(320)
    for toggle in (bar.show_card, bar.show_legend):
        toggle.click()
    clicked.dock.workbench.controller.choose_class("a_" * 30 + "b")
    seek(clicked, "structure")
    for widget in (w for part in (bar, panel(clicked)) for w in part.findChildren(QWidget) if w.isVisible()):
        right = widget.mapTo(dock, widget.rect().topRight()).x()
        assert right <= dock.width(), (widget, right)


def test_ranks_belong_to_their_scan(clicked):
    first, bench = clicked.layers[0], clicked.dock.workbench
    clicked.key(Qt.Key.Key_C)
    second = clicked.open(block_volume((40, 40, 12)))
    clicked.wait(lambda: bench.scan is second)
    clicked.look_at(second, (30, 10, 6))
    clicked.click(clicked.world(second, (30, 10, 6)))
    clicked.rest()
    clicked.key(Qt.Key.Key_C)
    assert [row.name for row in panel(clicked).rows.shown][:1] == ["spleen"]
    bench.open_scan(first)
    clicked.rest()
    assert clicked.session.name_of(1) == "liver" and not panel(clicked).rows.shown
