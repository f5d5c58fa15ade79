import pytest
import torch

from napari_segsam.engine.zoo.automatic_masks import SAMAUG, PointGrid, finding, finished, stability_of
from napari_segsam.model.prompt_tokens import PAD, POSITIVE
from napari_segsam.model.zoo.family import Masks

SIDE, CELL = 64, 4
"""The decoder's grid is a fourth as fine as the square."""


class ThreeDiscs:
    """A model by hand: a click on a disc gives that disc thrice, a poor one first; elsewhere nothing."""

    discs = ((12, 12, 8), (40, 16, 10), (24, 44, 9))

    def __init__(self, iou=True):
        self.iou, self.asked = iou, []

    def __call__(self, prompts):
        self.asked.append(prompts)
        masks = torch.stack([self._masks(*prompts.points_xy[i, 0].tolist()) for i in range(len(prompts))])
        iou = torch.tensor([0.99, 0.3, 0.9, 0.6]).expand(len(prompts), -1)
        return Masks(masks, iou if self.iou else None)

    def _masks(self, x, y):
        at = (torch.arange(SIDE // CELL) + 0.5) * CELL - 0.5
        logits = torch.full((4, SIDE // CELL, SIDE // CELL), -9.0)
        for r, c, radius in self.discs:
            if (y - r) ** 2 + (x - c) ** 2 <= radius**2:
                disc = (at[:, None] - r) ** 2 + (at[None] - c) ** 2 <= radius**2
                logits[:, disc] = 9.0
        return logits


def found(model, inside=(SIDE, SIDE), **grid):
    """(logits, stability) of each mask that is drawn."""
    drawn = []
    everywhere = PointGrid(**{"points": 8, **grid})
    finished(finding(model, SIDE, inside, lambda logits, stable: drawn.append((logits.clone(), stable)), everywhere))
    return drawn


def test_each_thing_is_found_once():
    masks = found(ThreeDiscs())
    assert [(logits.shape, stable) for logits, stable in masks] == [((SIDE // CELL, SIDE // CELL), 1.0)] * 3
    on_centres = [[bool(mask[r // CELL, c // CELL] > 0) for r, c, _ in ThreeDiscs.discs] for mask, _ in masks]
    assert sorted(on_centres) == [[False, False, True], [False, True, False], [True, False, False]]


def test_only_what_is_kept_is_asked_for_twice():
    """No mask waits in memory until the best are known."""
    model = ThreeDiscs()
    found(model)
    first, again = model.asked[:16], model.asked[16:]
    assert [len(p) for p in first] == [4] * 16 and sum(len(p) for p in again) == 3
    clicks = torch.cat([p.points_xy[:, 0] for p in first]).tolist()
    assert all(xy in clicks for p in again for xy in p.points_xy[:, 0].tolist())
    assert all((p.labels == torch.tensor([POSITIVE, PAD])).all() for p in again)


def test_of_two_clicks_on_a_thing_the_better_answer_is_drawn():
    class Better(ThreeDiscs):
        """The further to the left, the better, and the mask says which click it answers."""

        def __call__(self, prompts):
            said = super().__call__(prompts)
            x = prompts.points_xy[:, 0, 0]
            logits = torch.where(said.logits > 0, 9 + x[:, None, None, None], said.logits)
            return Masks(logits, torch.stack([x * 0, *[0.99 - x / 1000 - n / 10 for n in range(3)]], 1))

    places = [3.5 + 8 * n for n in range(8)]
    leftmost = [
        min(x for x in places for y in places if (y - r) ** 2 + (x - c) ** 2 <= radius**2)
        for r, c, radius in ThreeDiscs.discs
    ]
    assert sorted(float(logits.max()) - 9 for logits, _ in found(Better())) == sorted(leftmost)


def test_every_click_is_a_lone_positive_one_on_the_picture_and_not_on_its_padding():
    model = ThreeDiscs()
    found(model, inside=(SIDE, 30))
    first = model.asked[:16]
    labels = torch.cat([p.labels for p in first])
    xy = torch.cat([p.points_xy[:, 0] for p in first])
    assert (labels == torch.tensor([POSITIVE, PAD])).all()
    assert len(xy) == 64
    assert xy[:, 0].max() < 30
    assert xy[:, 1].max() > 50
    assert xy[0].tolist() == pytest.approx([30 / 16 - 0.5, SIDE / 16 - 0.5])  # the middle of its part


def test_mask_0_does_not_answer_an_ambiguous_click():
    assert found(ThreeDiscs(), least_iou=0.95) == []  # only mask 0 is predicted to be so good


def test_a_family_without_predicted_iou_is_ranked_by_stability():
    assert len(found(ThreeDiscs(iou=False))) == 3


def test_a_mask_that_a_small_step_of_the_threshold_changes_is_not_kept():
    logits = torch.full((2, 4, 4), -9.0)
    logits[:, :2] = 9.0
    logits[1, 2] = 0.5  # there at the threshold, gone one above it
    assert stability_of(logits).tolist() == pytest.approx([1.0, 8 / 12])
    assert stability_of(torch.full((1, 4, 4), -9.0)).tolist() == [0.0]


def test_nothing_found_is_no_mask():
    empty = ThreeDiscs()
    empty.discs = ()
    assert found(empty) == [] and len(empty.asked) == 16


def test_samaug_asks_as_its_authors_did():
    assert (SAMAUG.points, SAMAUG.least_iou, SAMAUG.least_stability, SAMAUG.overlap) == (32, 0.5, 0.95, 0.5)
