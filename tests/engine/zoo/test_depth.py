from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segsam.core.slices import SliceView
from napari_segsam.engine.zoo.depth import through_depth
from napari_segsam.engine.zoo.predictor import ZooPredictor
from napari_segsam.model.zoo import ma_sam
from tests.fakes import FakePredictor, block_volume
from tests.model.zoo.small_sam import SMALL

SIDE = 64
SHAPES = {"mask_decoder.mask_tokens.weight": (3, 256)}


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    model = ma_sam.MaSam(SMALL, 2, rank=4, side=SIDE)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.2 * torch.randn_like(p))
    how = replace(ma_sam.FAMILY.preparation(SHAPES), side=SIDE)
    family = replace(ma_sam.FAMILY, preparation=lambda _shapes: how, names=lambda _shapes: ("liver", "spleen"))
    return ZooPredictor(model.eval(), family, SHAPES, name="small", sha256="a" * 64)


def test_every_slice_is_labelled_once_in_order_and_by_all_its_windows(predictor):
    volume = block_volume(shape=(24, 20, 7))
    found = list(through_depth(predictor, volume, 2, None))
    assert [view.index for view, _, _ in found] == list(range(7))
    chances = torch.zeros(7, 3, SIDE, SIDE)
    for centre in range(7):
        embedding = predictor.embed(SliceView(volume, 2, centre), found[0][1])
        each = predictor.model.each_slice(embedding.features).detach().softmax(1)
        for offset, chance in zip(range(-2, 3), each, strict=True):
            if 0 <= centre + offset < 7:
                chances[centre + offset] += chance
    for view, _, suggestions in found:
        best = embedding.frame.back(chances[view.index] / chances[view.index].sum(0)).argmax(0).numpy()
        for suggestion in suggestions:
            expected = best == 1 + ("liver", "spleen").index(suggestion.name)
            assert (expected != suggestion.mask).mean() < 0.01
        assert {s.name for s in suggestions} == {("liver", "spleen")[k - 1] for k in np.unique(best) if k}


def test_a_model_that_sees_one_slice_at_a_time_is_left_to_do_so():
    assert through_depth(FakePredictor(), block_volume(), 2, None) is None
