from dataclasses import replace

import pytest
import torch

from napari_segsam.model import build as building
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, NEGATIVE, PAD, POSITIVE, PromptBatch
from napari_segsam.model.segsam import region_weights
from tests.tiny import SLIM_VIT, TINY_NANO, TINY_VIT, prompts, tiny, zoomed

P, K = 3, 5
KINDS = {"a box": [BOX_MIN, BOX_MAX], "a click": [POSITIVE, PAD], "three clicks": [POSITIVE, NEGATIVE, POSITIVE, PAD]}


def ask(model, labels, seed=0):
    """P prompts on one random slice."""
    config = model.config
    side = config.zoom.crop if config.zoom else config.img_size
    torch.manual_seed(seed)
    with torch.no_grad():
        features = model.encode(torch.rand(1, 3, config.img_size, config.img_size) * 2 - 1)
        own = features.of(torch.zeros(P, dtype=torch.long))
        return model(own, prompts([labels] * P, side, seed), zoomed(P, config, seed) if config.zoom else None)


@pytest.mark.parametrize("labels", KINDS.values(), ids=KINDS)
def test_vit_b_at_256_pixels_has_the_shapes_that_the_method_says(monkeypatch, labels):
    """The encoder is slimmed; everything behind its neck has ViT-B's sizes."""
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)
    config = SegSamConfig(img_size=256, n_classes=K, n_co=10, n_aspects=2, text_dim=8, text_basis=4)
    model = tiny(config)
    with torch.no_grad():
        features = model.encode(torch.randn(2, 3, 256, 256))
        assert features.tokens.shape == (2, 256, 16, 16)
        batch = prompts([labels] * P, 256)
        assert model.prompt_encoder.sparse(batch).shape == (P, len(labels), 256)
        assert model.prompt_encoder.dense(batch).shape == (P, 256, 16, 16)
        assert model.prompt_encoder.mask_input_size == (64, 64)
        output = model(features.of(torch.tensor([0, 0, 1])), batch)
        unprompted = model.unprompted(features)
    assert (output.mask_logits.shape, output.iou.shape) == ((P, 4, 64, 64), (P, 4))
    assert output.semantic.mask_logits.shape == (P, 1, 64, 64)
    assert output.semantic.class_logits.shape == (P, K)
    assert output.semantic.co_class_logits.shape == (P, 10, K + 1)
    assert output.semantic.co_mask_logits.shape == (P, 10, 64, 64)
    assert unprompted.co_class_logits.shape == (2, 10, K + 1)
    assert output.text_logits.shape == (P, K)


def test_the_decoders_have_as_many_parameters_as_sams():
    """Dec_sag 4.06 M as published, prompt encoder 6,220."""
    config = SegSamConfig(
        encoder="mobilenet", img_size=64, n_classes=K, zoom=TINY_NANO.zoom
    )  # no ViT: it is slow to build
    model = building.build(config)

    def count(part):
        return sum(p.numel() for p in part.parameters())

    assert count(model.mask_decoder) - 1 == 4_058_340  # but for prior_trust
    assert count(model.prompt_encoder) == 6_220


@pytest.mark.parametrize("labels", KINDS.values(), ids=KINDS)
def test_nano_draws_on_the_crop_at_its_full_resolution(labels):
    output = ask(tiny(), labels)
    side, cells = TINY_NANO.zoom.crop, TINY_NANO.img_size // 4
    assert output.mask_logits.shape == (P, 4, side, side)
    assert output.semantic.mask_logits.shape == (P, 1, side, side)
    assert output.semantic.co_mask_logits.shape == (P, TINY_NANO.n_co, cells, cells)
    assert all(torch.isfinite(t).all() for t in (output.mask_logits, output.iou, output.semantic.class_logits))


def test_prompts_of_one_batch_answer_as_they_do_alone():
    model = tiny()
    torch.manual_seed(0)
    batch, look = prompts([[BOX_MIN, BOX_MAX]] * P, 32), zoomed(P)
    with torch.no_grad():
        features = model.encode(torch.rand(2, 3, 64, 64))
        together = model(features.of(torch.tensor([0, 1, 1])), batch, look)
        look.crops, look.maps, look.prior, look.places = (
            t[2:] for t in (look.crops, look.maps, look.prior, look.places)
        )
        alone = model(features.of(torch.tensor([1])), PromptBatch(batch.points_xy[2:], batch.labels[2:]), look)
    assert torch.allclose(together.mask_logits[2:], alone.mask_logits, atol=1e-4)
    assert torch.allclose(together.semantic.class_logits[2:], alone.semantic.class_logits, atol=1e-4)


def test_changing_one_decoders_weights_leaves_the_others_answer():
    model = tiny()
    before = ask(model, KINDS["a box"])
    with torch.no_grad():
        for parameter in model.semantic_decoder.parameters():
            parameter.add_(torch.randn_like(parameter))
    semantic_moved = ask(model, KINDS["a box"])
    assert torch.equal(before.mask_logits, semantic_moved.mask_logits)
    assert torch.equal(before.iou, semantic_moved.iou)
    assert not torch.allclose(before.semantic.mask_logits, semantic_moved.semantic.mask_logits)
    with torch.no_grad():
        for parameter in model.mask_decoder.parameters():
            parameter.add_(torch.randn_like(parameter))
    both_moved = ask(model, KINDS["a box"])
    assert not torch.allclose(semantic_moved.mask_logits, both_moved.mask_logits)
    assert torch.equal(semantic_moved.semantic.mask_logits, both_moved.semantic.mask_logits)
    assert torch.equal(semantic_moved.semantic.class_logits, both_moved.semantic.class_logits)


@pytest.mark.parametrize("mode", ["roi", "attention", "off"])
@pytest.mark.parametrize("fuse", ["concat", "add"])
@pytest.mark.parametrize("to", ["both", "saw"])
def test_every_way_of_using_the_cards_runs(mode, fuse, to):
    model = tiny(replace(TINY_NANO, text_mode=mode, text_fuse=fuse, text_to=to))
    output = ask(model, KINDS["a click"])
    assert torch.isfinite(output.mask_logits).all()
    assert (output.text_logits is None) == (mode == "off")


@pytest.mark.parametrize(("to", "independent"), [("saw", True), ("both", False)])
def test_with_text_to_saw_the_binary_answer_does_not_hang_on_the_cards(to, independent):
    model = tiny(replace(TINY_NANO, text_to=to))
    before = ask(model, KINDS["a box"])
    model.class_cards.fill(torch.randn(3, 2, 12) * 5)
    after = ask(model, KINDS["a box"])
    assert torch.equal(before.mask_logits, after.mask_logits) == independent
    assert not torch.allclose(before.semantic.class_logits, after.semantic.class_logits)


def test_only_roi_asks_with_the_prompted_region():
    """The same tokens and the same image: only the region differs."""
    for mode, same in (("attention", True), ("roi", False)):
        model = tiny(replace(TINY_NANO, text_mode=mode))
        t2v, cards = model.text_to_vision, model.class_cards()
        with torch.no_grad():
            scene = model._slice_scene(model.encode(torch.rand(1, 3, 64, 64)), None)
            tokens = torch.randn(1, 2, 16)
            a, _ = t2v(scene, tokens, torch.zeros(1, 16), cards)
            b, _ = t2v(scene, tokens, torch.randn(1, 16), cards)
        assert torch.allclose(a, b) == same, mode


def test_suggestions_draw_no_masks_where_the_paper_has_none():
    model = tiny(replace(TINY_NANO, co_masks=False))
    with torch.no_grad():
        assert model.unprompted(model.encode(torch.zeros(1, 3, 64, 64))).co_mask_logits is None
    assert ask(model, KINDS["a box"]).semantic.co_mask_logits is None


def test_a_model_without_zoom_answers_on_the_whole_slice(monkeypatch):
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)
    output = ask(tiny(TINY_VIT), KINDS["a box"])
    assert output.mask_logits.shape == (P, 4, 16, 16)


def test_slices_need_not_train_the_backbone_and_crops_always_do():
    model = tiny().train()
    features = model.encode(torch.rand(1, 3, 64, 64), train_backbone=False)
    features.tokens.sum().backward()
    stem = model.image_encoder.backbone.stem.weight
    assert stem.grad is None
    assert model.image_encoder.slice_neck.fine.weight.grad is not None
    model.image_encoder.look(torch.rand(1, 3, 32, 32), torch.rand(1, 6, 32, 32))[0].sum().backward()
    assert stem.grad is not None


# --- the prompted region


def test_a_box_counts_the_cells_within_half_a_cell_of_it():
    batch = PromptBatch(torch.tensor([[[16.0, 32.0], [31.0, 47.0]]]), torch.tensor([[BOX_MIN, BOX_MAX]]))
    weight = region_weights(batch, (4, 4), (64, 64))[0]  # cells of 16 px: column 1, row 2
    assert weight.nonzero().tolist() == [[2, 1]]
    batch.points_xy[0, 1] = torch.tensor([40.0, 47.0])
    assert region_weights(batch, (4, 4), (64, 64))[0].nonzero().tolist() == [[2, 1], [2, 2]]


def test_a_click_counts_its_neighbours_by_distance():
    middle = PromptBatch(torch.tensor([[[23.5, 39.5], [0.0, 0.0]]]), torch.tensor([[POSITIVE, PAD]]))
    assert region_weights(middle, (4, 4), (64, 64))[0].nonzero().tolist() == [[2, 1]]
    between = PromptBatch(torch.tensor([[[31.5, 39.5]]]), torch.tensor([[POSITIVE]]))
    weight = region_weights(between, (4, 4), (64, 64))[0]
    assert weight[2].tolist() == [0, 0.5, 0.5, 0]
    assert float(weight.sum()) == 1


def test_negative_clicks_say_nothing_of_the_region_and_nothing_counts_all():
    batch = PromptBatch(torch.tensor([[[23.5, 39.5]], [[0.0, 0.0]]]), torch.tensor([[NEGATIVE], [PAD]]))
    assert torch.equal(region_weights(batch, (4, 4), (64, 64)), torch.ones(2, 4, 4))


def test_a_box_outranks_clicks_row_by_row():
    labels = torch.tensor([[POSITIVE, BOX_MIN, BOX_MAX], [POSITIVE, PAD, PAD]])
    xy = torch.tensor([[[7.5, 7.5], [48.0, 48.0], [63.0, 63.0]], [[7.5, 7.5], [0.0, 0.0], [0.0, 0.0]]])
    weight = region_weights(PromptBatch(xy, labels), (4, 4), (64, 64))
    assert weight[0].nonzero().tolist() == [[3, 3]]
    assert weight[1].nonzero().tolist() == [[0, 0]]
