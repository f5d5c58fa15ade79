from dataclasses import replace

import pytest
import torch

from napari_segsam.model import build as building
from napari_segsam.model import checkpoint
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN
from napari_segsam.model.sam_weights import fitted_to, is_branch, sams_name
from tests.tiny import SLIM_VIT, TINY_NANO, TINY_VIT, prompts, saved, tiny

BRANCHES = ("resnet34", "resnet50", "aggregation", "pyramid")
SIDE = TINY_VIT.img_size


@pytest.fixture(autouse=True)
def slim(monkeypatch):
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)


def branched(branch, mode="frozen", **others):
    return tiny(replace(TINY_VIT, branch=branch, encoder_mode=mode, **others))


def asked(model, change=lambda features: features):
    torch.manual_seed(4)
    with torch.inference_mode():
        features = change(model.encode(torch.randn(1, 3, SIDE, SIDE)))
        return model(features, prompts([[BOX_MIN, BOX_MAX]], SIDE)), model.unprompted(features)


@pytest.mark.parametrize(("branch", "finer"), [(b, 2 if b == "aggregation" else 4) for b in BRANCHES])
def test_masks_are_as_fine_as_the_branchs_features_and_those_of_t_co_a_quarter(branch, finer):
    answer, unprompted = asked(branched(branch))
    assert answer.mask_logits.shape == (1, 4, SIDE // finer, SIDE // finer)
    assert answer.semantic.mask_logits.shape == (1, 1, SIDE // finer, SIDE // finer)
    for said in (answer.semantic, unprompted):
        assert said.co_mask_logits is not None
        assert said.co_mask_logits.shape[2:] == (SIDE // 4, SIDE // 4)


@pytest.mark.parametrize("branch", ["resnet34", "aggregation"])
def test_both_decoders_and_t_co_read_the_fine_features(branch):
    model = branched(branch)
    with_them, alone = asked(model)
    without, alone_without = asked(model, lambda features: replace(features, detail=features.detail * 0))
    for a, b in (
        (with_them.mask_logits, without.mask_logits),
        (with_them.semantic.mask_logits, without.semantic.mask_logits),
        (with_them.semantic.co_mask_logits, without.semantic.co_mask_logits),
        (alone.co_mask_logits, alone_without.co_mask_logits),
    ):
        assert float((a - b).abs().max()) > 1e-4


@pytest.mark.parametrize("branch", ["resnet34", "aggregation", "pyramid"])
def test_a_checkpoint_with_a_branch_answers_as_the_model_did(tmp_path, branch):
    model = branched(branch, "lora")
    again, header = checkpoint.load(saved(model, tmp_path))
    assert header.config.branch == branch
    assert torch.equal(asked(again)[0].mask_logits, asked(model)[0].mask_logits)


@pytest.mark.parametrize("branch", BRANCHES)
def test_the_branch_learns_whatever_becomes_of_the_vit(branch):
    for mode, vit_learns in (("frozen", False), ("full", True)):
        each = branched(branch, mode).image_encoder.named_parameters(prefix="image_encoder")
        learns = {name: p.requires_grad for name, p in each}
        assert {is_branch(name) for name in learns} == {True, False}
        assert all(on == (vit_learns or is_branch(name)) for name, on in learns.items())


@pytest.mark.parametrize("branch", ["resnet34", "aggregation", "pyramid"])
def test_sams_weights_begin_the_vit_and_leave_the_branch_as_it_is(branch):
    sam = {k: v for k, v in tiny(TINY_VIT, seed=5).state_dict().items() if not k.endswith("prior_trust")}
    parts = ("image_encoder.", "prompt_encoder.", "mask_decoder.")
    model = branched(branch)
    before = {k: v.clone() for k, v in model.state_dict().items() if is_branch(k)}
    fitted_to(model, {k: v for k, v in sam.items() if k.startswith(parts)})
    now = model.state_dict()
    assert all(torch.equal(now[k], v) for k, v in before.items())
    taken = [k for k in now if k.startswith("image_encoder.") and not is_branch(k)]
    assert taken
    assert all(torch.equal(now[k], sam[sams_name(k)]) for k in taken)


def test_a_pyramid_says_nothing_before_it_has_learned():
    alone, model = tiny(TINY_VIT), branched("pyramid")
    fitted = {k: v for k, v in alone.state_dict().items() if not k.startswith("image_encoder.")}
    vit = {k: alone.state_dict()[sams_name(k)] for k in model.state_dict() if ".sam_img_encoder." in k}
    model.load_state_dict(model.state_dict() | fitted | vit)
    assert torch.equal(asked(model)[0].mask_logits, asked(alone)[0].mask_logits)


def test_a_resnet_wants_a_picture_that_halves_five_times():
    with pytest.raises(ValueError, match="multiple of 32, not 80"):
        branched("resnet34", img_size=80)


def test_a_resnet_beside_the_small_encoder_says_nothing_before_it_has_learned_and_then_moves_its_maps():
    alone, model = tiny(TINY_NANO), tiny(replace(TINY_NANO, branch="resnet34"))
    encoder, beside = alone.image_encoder, model.image_encoder
    assert not beside.load_state_dict(encoder.state_dict(), strict=False).unexpected_keys
    torch.manual_seed(3)
    crops, maps = torch.randn(2, 3, 64, 64), torch.rand(2, 6, 64, 64)
    model.train()
    for mine, theirs in zip(beside.look(crops, maps), encoder.look(crops, maps), strict=True):
        assert torch.equal(mine, theirs)
    beside.look(crops, maps)[1].square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in beside.branch.onto.parameters())
    with torch.no_grad():
        beside.branch.onto[0].weight += 0.1
    assert not torch.equal(beside.look(crops, maps)[1], encoder.look(crops, maps)[1])


def test_the_small_encoder_takes_no_other_branch():
    with pytest.raises(ValueError, match="'pyramid' stands beside a ViT"):
        tiny(replace(TINY_NANO, branch="pyramid"))
