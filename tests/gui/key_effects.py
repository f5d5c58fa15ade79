"""What each row of the key table does to a person's work: one function an action, which every test of keys shares.

A new row of :data:`napari_segsam.gui.keys.KEYS` needs one here: decorate it with ``effect_of`` and the row's action. It
gets a hand on a viewer that looks at the liver with nothing done yet, and ``press``, which presses the row's real key
on the canvas (of a row that stands for nine keys, ``press(2)`` the second one); it does what the key needs before,
presses, and asserts what must be so after. It is called for one active layer after the other; between them all that can
be undone is, and what cannot be it has to put back itself.
"""

from collections.abc import Callable
from typing import Any

from tests.fakes import block_volume

Press = Callable[..., None]
Effect = Callable[[Any, Press], None]
EFFECTS: dict[str, Effect] = {}
LIVER, SPLEEN = (10, 8, 5), (35, 10, 5)


def effect_of(action: str) -> Callable[[Effect], Effect]:
    """Enter a function as what an action does."""

    def enter(effect: Effect) -> Effect:
        EFFECTS[action] = effect
        return effect

    return enter


def click(hand: Any, ijk: tuple[int, int, int] = LIVER) -> None:
    """A point there, answered."""
    hand.click(hand.world(hand.layers[0], ijk))
    hand.rest()


def arms(tool: str) -> Effect:
    """The key arms this tool."""

    def effect(hand: Any, press: Press) -> None:
        hand.dock.workbench.arm(None)
        press()
        assert hand.dock.workbench.tool == tool

    return effect


for tool in ("point", "box", "lasso", "scribble"):
    effect_of(tool)(arms(tool))


@effect_of("sign")
def turns_the_sign(hand: Any, press: Press) -> None:
    press()
    assert not hand.dock.workbench.positive
    press()
    assert hand.dock.workbench.positive


@effect_of("mask")
def prompts_with_the_mask(hand: Any, press: Press) -> None:
    click(hand)
    hand.dock.object_panel.commit.click()
    press()
    assert hand.session.undo_names[0] == "mask as prompt"
    hand.rest()
    assert hand.layer("preview").data.any()


@effect_of("remove")
def removes_the_last_prompt_or_rejects(hand: Any, press: Press) -> None:
    click(hand)
    hand.dock.workbench.choice.choose(0)
    press()
    assert hand.session.undo_names[0] == "reject spleen"
    hand.dock.workbench.choice.choose(None)
    press()
    assert hand.session.undo_names[0] == "remove point"
    assert not hand.session.prompts.clicks


@effect_of("cancel")
def drops_what_is_drawn(hand: Any, press: Press) -> None:
    scan = hand.layers[0]
    hand.dock.workbench.arm("lasso")
    hand.press(hand.world(scan, (3, 3, 5)))
    hand.move(hand.world(scan, (20, 3, 5)))
    hand.move(hand.world(scan, (20, 16, 5)))
    press()
    hand.release(hand.world(scan, (20, 16, 5)))
    assert not hand.session.undo_names
    assert not hand.layer("prompts: boxes").data


@effect_of("candidate")
def goes_on_to_the_next_outline(hand: Any, press: Press) -> None:
    click(hand)
    press()
    assert hand.session.candidate == 1


@effect_of("candidate back")
def goes_back_to_the_last_suggestion(hand: Any, press: Press) -> None:
    click(hand)
    press()
    assert hand.dock.workbench.choice.suggestion is hand.session.suggestions[-1]


@effect_of("class")
def takes_the_class_of_a_rank(hand: Any, press: Press) -> None:
    click(hand)
    ranked = hand.session.prediction.classes
    for rank in (2, 3):
        press(rank)
        assert hand.session.chosen_class == ranked[rank - 1].name


@effect_of("commit")
def commits(hand: Any, press: Press) -> None:
    click(hand)
    press()
    assert hand.session.labels.labels[1].name == "liver"


@effect_of("next")
def starts_the_next_object(hand: Any, press: Press) -> None:
    click(hand)
    hand.dock.object_panel.commit.click()
    press()
    assert hand.session.value == 2


def carries(step: int) -> Effect:
    """The key propagates the object, and the window goes with it this way."""

    def effect(hand: Any, press: Press) -> None:
        click(hand)
        before = hand.viewer.dims.current_step[0]
        press()
        until_over(hand)
        assert (hand.viewer.dims.current_step[0] - before) * step > 0
        assert hand.session.undo_names[0].startswith("propagate liver")
        hand.look_at(hand.layers[0], LIVER)

    return effect


effect_of("back")(carries(-1))
effect_of("forward")(carries(1))


def until_over(hand: Any) -> None:
    """Until nothing goes on through the slices."""
    hand.wait(lambda: hand.dock.workbench.controller.through.progress is None)
    hand.rest()


@effect_of("interpolate")
def fills_between_slices(hand: Any, press: Press) -> None:
    for k in (5, 8):
        hand.look_at(hand.layers[0], (10, 8, k))
        click(hand, (10, 8, k))
        hand.dock.object_panel.commit.click()
    press()
    until_over(hand)
    assert hand.session.undo_names[0].startswith("interpolate liver")
    assert (hand.session.labels.voxels == 1).any((0, 1)).nonzero()[0].tolist() == [5, 6, 7, 8]
    hand.look_at(hand.layers[0], LIVER)


@effect_of("accept")
def accepts_the_chosen_suggestion(hand: Any, press: Press) -> None:
    click(hand)
    hand.dock.workbench.choice.choose(1)
    press()
    hand.rest()
    assert [label.name for label in hand.session.labels.labels.values()] == ["kidney_left"]


@effect_of("undo")
def undoes(hand: Any, press: Press) -> None:
    click(hand)
    press()
    assert not hand.session.prompts.clicks


@effect_of("redo")
def does_again(hand: Any, press: Press) -> None:
    click(hand)
    hand.dock.object_panel.undo.click()
    press()
    assert len(hand.session.prompts.clicks) == 1


@effect_of("layers")
def hides_our_layers_and_shows_those_again_that_were_shown(hand: Any, press: Press) -> None:
    ours = [layer for layer in hand.viewer.layers if layer not in hand.layers]
    hand.layer("semantic").visible = False
    shown = [layer.name for layer in ours if layer.visible]
    press()
    assert not any(layer.visible for layer in ours)
    assert hand.layers[0].visible
    assert "hidden" in hand.dock.notice.text
    press()
    assert [layer.name for layer in ours if layer.visible] == shown
    assert "labels" in shown and "semantic" not in shown
    assert not hand.dock.notice.text
    hand.layer("semantic").visible = True


def opens_another(step: int) -> Effect:
    """The key goes round the three scans of the viewer in their order, this many a press."""

    def effect(hand: Any, press: Press) -> None:
        bench, active = hand.dock.workbench, hand.viewer.layers.selection.active.name
        press()
        assert "only scan" in hand.dock.notice.text
        scans = [*hand.layers, hand.open(block_volume((40, 48, 14))), hand.open(block_volume((40, 40, 10)))]
        bench.open_scan(scans[0])
        seen = []
        for _ in range(3):
            mine = bench.scan if active == scans[0].name else hand.layer(active)
            hand.viewer.layers.selection.active = mine
            press()
            seen.append(scans.index(bench.scan))
        assert seen == ([1, 2, 0] if step > 0 else [2, 1, 0])
        for scan in scans[1:]:
            hand.viewer.layers.remove(scan)
        hand.look_at(scans[0], LIVER)

    return effect


effect_of("next scan")(opens_another(1))
effect_of("previous scan")(opens_another(-1))
