"""Real families, small and with random weights, behind the Predictor: every kind of picture is answered."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.grid import Grid
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from napari_segsam.engine.zoo.predictor import ZooPredictor
from napari_segsam.model.image_encoder import ImageEncoder, ViTSizes
from napari_segsam.model.zoo import hq_sam, ma_sam, medsam, sam, sam_med2d, samed
from napari_segsam.model.zoo.family import Labelling, Prompted
from tests.tiny import picture_view

SLIM, SIDE = ViTSizes(width=32, depth=2, heads=2, global_blocks=(1,)), 64
MADE = {
    "sam": (sam.FAMILY, lambda: sam.Sam(ImageEncoder(SLIM, SIDE), SIDE)),
    "medsam": (medsam.FAMILY, lambda: medsam.MedSam(ImageEncoder(SLIM, SIDE), SIDE)),
    "sam_med2d": (sam_med2d.FAMILY, lambda: sam.Sam(ImageEncoder(SLIM, SIDE, block=sam_med2d.AdaptedBlock), SIDE)),
    "hq_sam": (hq_sam.FAMILY, lambda: hq_sam.HqSam(ImageEncoder(SLIM, SIDE), SIDE)),
    "samed": (samed.FAMILY, lambda: samed.Samed(SLIM, 8, side=SIDE)),
    "ma_sam": (ma_sam.FAMILY, lambda: ma_sam.MaSam(SLIM, 12, side=SIDE)),
}
BOX, CLICK = Prompts(box=Box(10, 14, 29, 43)), Prompts((Click(20, 30),))


@pytest.fixture(params=MADE)
def small(request):
    family, make = MADE[request.param]
    torch.manual_seed(0)
    model = make().eval()
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    sized = replace(family, preparation=lambda s: replace(family.preparation(s), side=SIDE))
    return ZooPredictor(model, sized, shapes, name=family.name, sha256="a" * 64)


def pictures():
    random = np.random.default_rng(0)
    depth = random.integers(0, 3000, (61, 47, 4))
    ct = Volume(Grid((61, 47, 4), np.diag([0.8, 0.8, 5.0, 1.0])), (depth - 1000).astype(np.int16), modality="ct")
    return {
        "uint16, not square": picture_view(random.integers(0, 4000, (48, 64)).astype(np.uint16), modality="ct"),
        "ct in HU": SliceView(ct, 2, 0),
        "pixels that are not square": SliceView(ct, 0, 30),
        "rgb": picture_view(random.integers(0, 255, (48, 64, 3)).astype(np.uint8), modality="rgb"),
        "MONOCHROME1": picture_view(random.integers(0, 4000, (48, 64)).astype(np.uint16), inverted=True),
        "one value": picture_view(np.full((48, 64), 7.0, np.float32)),
    }


@pytest.mark.parametrize("kind", pictures())
def test_every_kind_of_picture_is_answered_with_masks_of_its_pixels(small, kind):
    view, takes = pictures()[kind], small.family.abilities
    embedding = small.embed(view, small.window_for(view, None))
    rows, cols = view.shape
    asked = Prompts(box=Box(0, 0, rows // 2, cols // 2))
    answer = small.predict(embedding, asked)
    assert answer.mask.shape == (rows, cols) and (answer.iou_predicted is not None) == takes.iou
    assert all(s.name in small.vocabulary.names and s.mask.any() for s in small.suggest(embedding))
    again = small.from_arrays(view, embedding.window, small.to_arrays(embedding), 1.0)
    assert np.array_equal(small.predict(again, asked).mask, answer.mask)


def test_clicks_and_the_last_mask_are_taken_or_refused_as_the_family_says(small):
    view = pictures()["uint16, not square"]
    embedding, takes = small.embed(view, None), small.family.abilities
    last = np.zeros((48, 64), bool)
    last[10:30, 10:30] = True
    corrected = Prompts((Click(20, 30), Click(2, 2, False)), mask=last)
    if takes.boxes and not takes.points:
        with pytest.raises(BadPromptsError, match="takes boxes only"):
            small.predict(embedding, CLICK)
        return
    assert small.predict(embedding, CLICK).mask.shape == (48, 64)
    first, second = (small.predict(embedding, p) for p in (replace(corrected, mask=None), corrected))
    assert len(first.candidates) == len(second.candidates)
    if takes.mask_prompt != "none":
        assert any(not np.array_equal(a.mask, b.mask) for a, b in zip(first.candidates, second.candidates, strict=True))


def test_what_a_model_can_do_is_what_its_family_says(small):
    takes = small.family.abilities
    assert isinstance(small.model, Prompted) == (takes.points or takes.boxes) != isinstance(small.model, Labelling)


@pytest.mark.parametrize("name", ["sam_med2d", "hq_sam"])
def test_an_options_word_changes_the_answer(name):
    family, make = MADE[name]
    torch.manual_seed(0)
    model = make().eval()
    for block in getattr(model.image_encoder, "blocks", ()):
        if getattr(block, "Adapter", None) is not None:
            torch.nn.init.normal_(block.Adapter.norm.weight)
    view = pictures()["rgb"]
    how = replace(family, preparation=lambda _: replace(family.preparation({sam._POSITIONS: (1, 4, 4, 32)}), side=SIDE))
    predictor = ZooPredictor(model, how, {}, name=name, sha256="a" * 64)
    plain = [c.mask for c in predictor.predict(predictor.embed(view, None), BOX).candidates]
    (switch,) = family.options.values()
    other, its_family = switch(model, how)
    switched = ZooPredictor(other, its_family, {}, name=name, sha256="a" * 64)
    changed = [c.mask for c in switched.predict(switched.embed(view, None), BOX).candidates]
    assert len(plain) != len(changed) or any(not np.array_equal(a, b) for a, b in zip(plain, changed, strict=True))
