"""An object carried through the slices with a model that learns: the model's own masks, and its own doubts."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.through.propagate import Propagation, asking
from napari_segsam.train.learning import LearningPredictor
from tests.fakes import LIVER, FakePredictor, block_volume
from tests.train.test_learning import SMALL, teach


@dataclass(eq=False)
class Falling(FakePredictor):
    """Less sure of every slice beyond the fifth; its logits are weak, so that what was learnt counts."""

    sure: float = 0.05

    def predict(self, embedding, prompts):
        _, index = self.embedded[-1]
        return replace(super().predict(embedding, prompts), iou_predicted=0.9 if index <= 5 else 0.3)


@pytest.fixture
def fusing():
    """On three blocks, after six corrections that say that the model draws a border of one pixel too much."""
    learning = LearningPredictor(Falling(), SMALL)
    learning.learns = True
    for n in range(6):
        view = SliceView(block_volume(), 2, 3)
        truth = np.zeros(view.shape, bool)
        truth[2:9, 2:11] = True
        teach(learning, view, Prompts((Click(*LIVER),)), truth, of=n)
    return learning


def test_what_is_carried_is_the_models_own_and_stops_where_it_is_less_sure(fusing):
    view = SliceView(block_volume(), 2, 3)
    own = np.asarray(view.pixels) == 60
    box = Prompts(box=Box.around(own))
    said = fusing.predict(fusing.embed(view, None), box)
    assert said.iou_predicted is None and not np.array_equal(said.mask, own)  # it would be fused
    way = Propagation.begin(asking(fusing, None, EmbeddingCache()), view, own, 1)
    *carried, stopped = way.run()
    assert [c.view.index for c in carried] == [4, 5]
    assert all(np.array_equal(c.mask, own) and c.prediction.iou_predicted == 0.9 for c in carried)
    assert stopped.reason == "Stopped at slice k=6: the model is less sure of it (predicted IoU 0.30)."


def test_a_slice_that_was_carried_can_be_learnt_from_once_it_is_clicked(fusing):
    volume, cache = block_volume(), EmbeddingCache()
    view = SliceView(volume, 2, 3)
    way = Propagation.begin(asking(fusing, None, cache), view, np.asarray(view.pixels) == 60, 1)
    carried = way.next(way.start)
    click = Prompts((Click(*LIVER),))
    fusing.predict(cache.embedding(fusing, carried.view, None), click)
    for _ in fusing.lesson(carried.view, click, carried.mask, "carried"):
        pass
    assert fusing.corrections == 7
