"""Every row of the key table, pressed on a real keyboard over each layer that a person works on."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_segsam.gui.keys import KEYS, Key
from tests.gui.key_effects import EFFECTS, LIVER, click

_QT = {"Ctrl": Qt.KeyboardModifier.ControlModifier, "Shift": Qt.KeyboardModifier.ShiftModifier}
_QT["Alt"] = Qt.KeyboardModifier.AltModifier
LAYERS = ("semantic", "labels", "blocks")
NAPARIS = [key for key in KEYS if not key.on_labels]


def presser(hand, *presses):
    """Presses the ``n``-th of these keys of napari's notation on the canvas, the first one unless told."""

    def press(n=1):
        *held, name = presses[n - 1].split("-")
        modifiers = Qt.KeyboardModifier.NoModifier
        for modifier in held:
            modifiers |= _QT[modifier]
        backwards = (held, name) == (["Shift"], "Tab")  # another key to Qt
        hand.key(Qt.Key.Key_Backtab if backwards else getattr(Qt.Key, f"Key_{name}"), modifiers)

    return press


@pytest.fixture
def looking(ready):
    ready.look_at(ready.layers[0], LIVER)
    ready.viewer.window.activate()
    ready.canvas.setFocus()
    ready.wait(lambda: ready.canvas.hasFocus())
    return ready


def as_it_was(hand):
    """What the last key's effect did, and was done for it, is undone."""
    bench = hand.dock.workbench
    bench.choice.choose(None)
    while hand.session.undo_names:
        bench.controller.undo()
    bench.arm("point")
    bench.set_positive(True)
    bench.told.emit("")
    hand.rest()


@pytest.mark.parametrize("key", KEYS, ids=[key.press for key in KEYS])
def test_a_key_does_what_the_table_says_whatever_layer_is_active(looking, key: Key):
    assert key.action in EFFECTS, f"write down in key_effects.py what {key.press} does"
    for layer in LAYERS:
        if key.on_labels or layer != "labels":
            looking.viewer.layers.selection.active = looking.layer(layer)
            EFFECTS[key.action](looking, presser(looking, *(press for _, press in key.each)))
            as_it_was(looking)


def test_napari_s_brush_keys_stay_on_labels(looking):
    looking.viewer.layers.selection.active = looking.layer("labels")
    looking.dock.workbench.arm(None)
    for key in NAPARIS:
        presser(looking, key.press)()
        assert looking.dock.workbench.tool is None, key


def test_no_two_keys_are_the_same():
    each = [pair for key in KEYS for pair in key.each]
    assert len({press for _, press in each}) == len({action for action, _ in each}) == len(each)


def test_every_key_is_given_back_when_the_dock_closes(looking):
    ours = {layer.name: layer for layer in looking.viewer.layers}
    click(looking)
    dock, looking.dock = looking.dock, None
    looking.viewer.window.remove_dock_widget(dock)
    del dock
    QApplication.processEvents()
    assert not looking.viewer.keymap
    assert {name: layer.keymap for name, layer in ours.items() if layer.keymap} == {}
    looking.viewer.layers.selection.active = looking.layers[0]
    looking.layers[0].visible = True
    presser(looking, "V")()
    assert not looking.layers[0].visible


@pytest.mark.parametrize("press", ["Enter", "Escape"])
def test_where_nothing_is_chosen_napari_has_its_polygon_keys(looking, press):
    labels = looking.layer("labels")
    looking.viewer.layers.selection.active = labels
    labels.mode = "polygon"
    for ijk in ((4, 4, 5), (16, 4, 5), (16, 14, 5)):
        looking.click(looking.world(looking.layers[0], ijk))
    presser(looking, press)()
    painted = int((looking.session.labels.voxels > 0).sum())
    assert (painted > 0) == (press == "Enter")
    assert not labels._overlays["polygon"].points
    assert painted == int((labels.data == labels.selected_label).sum())
    assert looking.session.undo_names == (("brush",) if painted else ())


def test_tab_goes_through_outlines_then_suggestions_and_shift_tab_back(looking):
    click(looking)
    tab, back, choice = presser(looking, "Tab"), presser(looking, "Shift-Tab"), looking.dock.workbench.choice
    listed, preview = looking.dock.suggestions_panel.suggestions, looking.layer("preview")
    places = []
    for _ in range(6):
        chosen = choice.suggestion
        places.append(chosen.name if chosen else looking.session.candidate)
        shown = chosen.mask if chosen else looking.session.prediction.mask
        assert ((preview.data[0] > 0) == shown).all()
        assert chosen is None or listed.chosen is chosen
        tab()
    assert places == [0, 1, 2, "spleen", "kidney_left", 0]
    assert looking.session.candidate == 1
    back()
    back()
    assert choice.suggestion.name == "kidney_left" and "kidney left" in looking.dock.notice.text
    back()
    back()
    assert choice.suggestion is None and looking.session.candidate == 2
    assert not looking.dock.notice.text


def test_enter_and_backspace_work_through_the_suggestions_from_the_canvas(looking):
    click(looking)
    looking.dock.workbench.choice.choose(0)
    presser(looking, "Return")()
    looking.rest()
    assert looking.dock.workbench.choice.suggestion.name == "kidney_left"
    presser(looking, "Backspace")()
    assert looking.dock.workbench.choice.suggestion is None
    assert looking.session.undo_names[:2] == ("reject kidney left", "accept spleen")
    assert len(looking.session.prompts.clicks) == 1


@pytest.mark.parametrize("how", ["click", "scroll", "escape"])
def test_a_chosen_suggestion_is_let_go_when_the_person_goes_on(looking, how):
    click(looking)
    looking.dock.workbench.choice.choose(0)
    assert (looking.layer("preview").data[0] > 0).any()
    if how == "click":
        click(looking, (12, 12, 5))
    elif how == "scroll":
        looking.look_at(looking.layers[0], (10, 8, 7))
        looking.rest()
    else:
        presser(looking, "Escape")()
    assert looking.dock.workbench.choice.suggestion is None
    if how == "scroll":
        assert looking.session.prediction is None
        looking.look_at(looking.layers[0], (10, 8, 5))
        looking.rest()
    outlined = looking.layer("preview").data[0] > 0
    assert (outlined == looking.session.prediction.mask).all()
