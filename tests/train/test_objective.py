"""Every choice of the method learns a step, and teaches what it is said to teach."""

from dataclasses import replace

import pytest
import torch

from napari_segsam.core.terminology import Vocabulary
from napari_segsam.model import build as building
from napari_segsam.train.batches import BatchMaker
from napari_segsam.train.config import DataConfig, MethodConfig, TrainConfig
from napari_segsam.train.data.dataset import SAMed2D, load, partial_labels
from napari_segsam.train.objective import TERMS, Objective
from tests.tiny import NAMES, SLIM_VIT, TINY_NANO, TINY_VIT, tiny
from tests.train import sa_med2d


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return sa_med2d.write(tmp_path_factory.mktemp("objective") / "data")


def made(root, sizes=TINY_NANO, **options):
    config = TrainConfig(
        data=DataConfig(root=root, synthetic=0.0), run=root, images=2, prompts=2, **{"corrections": 0.0, **options}
    )
    samples = load(SAMed2D(root), Vocabulary(NAMES))
    maker = BatchMaker(samples, partial_labels(samples, 3), config, sizes)
    model = tiny(config.method.of(sizes)).train()
    return Objective(model, config, 0.3), maker


def learned(objective, maker, step=0):
    """Names of the parameters that one step's terms reach."""
    shares = objective(maker[step], step)
    torch.stack([s[0] for s in shares.values()]).sum().backward()
    named = objective.model.named_parameters()
    return shares, {n for n, p in named if p.grad is not None and float(p.grad.abs().sum()) > 0}


def test_every_term_is_a_sum_and_what_to_divide_it_by(root):
    objective, maker = made(root)
    shares, _ = learned(objective, maker)
    assert set(shares) == set(TERMS)
    assert all(s.shape == (2,) and bool(torch.isfinite(s).all()) for s in shares.values())
    assert [float(shares[n][1].detach()) for n in ("binary", "semantic", "alignment", "size")] == [4] * 4


@pytest.mark.parametrize(
    ("method", "reached", "unreached"),
    [
        ({}, "semantic_decoder.transformer.", "nowhere"),
        ({"decoders": "shared"}, "semantic_decoder.co_tokens.", "semantic_decoder.transformer."),
        ({"co": "class_queries"}, "semantic_decoder.co_hypernetwork.", "nowhere"),
        ({"co": "pooled"}, "semantic_decoder.co_tokens.", "semantic_decoder.co_hypernetwork."),
        ({"co": "off"}, "semantic_decoder.so_token.", "semantic_decoder.co_tokens."),
        ({"co_masks": False}, "semantic_decoder.co_tokens.", "semantic_decoder.co_hypernetwork."),
        ({"saw_init": "random"}, "semantic_decoder.transformer.", "nowhere"),
        ({"train_sag": False}, "semantic_decoder.transformer.", "mask_decoder."),
        ({"train_sag": False, "decoders": "shared"}, "semantic_decoder.so_token.", "mask_decoder."),
        ({"cls_head": "linear"}, "semantic_decoder.classes.project.", "semantic_decoder.classes.log_scale"),
        ({"cls_head": "k_masks"}, "semantic_decoder.hypernetwork.2.", "semantic_decoder.classes.log_scale"),
        ({"text_mode": "attention"}, "text_to_vision.read.", "text_to_vision.region."),
        ({"text_mode": "mean"}, "text_to_vision.think.", "text_to_vision.read."),
        ({"text_mode": "oracle"}, "text_to_vision.unknown.", "text_to_vision.read."),
        ({"text_mode": "off"}, "class_cards.project.", "text_to_vision."),
        ({"text_to": "saw"}, "text_to_vision.read.", "nowhere"),
        ({"text_fuse": "add"}, "text_to_vision.read.", "nowhere"),
        ({"encoder_mode": "frozen"}, "image_encoder.crop_neck.", "image_encoder.backbone."),
    ],
    ids=str,
)
def test_a_choice_teaches_its_parts_and_no_others(root, method, reached, unreached):
    objective, maker = made(root, method=MethodConfig(**method))
    shares, names = learned(objective, maker)
    assert all(bool(torch.isfinite(s).all()) for s in shares.values())
    assert any(n.startswith(reached) for n in names)
    assert not any(n.startswith(unreached) for n in names)


def test_t_text_learns_through_a_frozen_decoder_of_sams(root):
    objective, maker = made(root, method=MethodConfig(train_sag=False))
    objective(maker[0], 0)["binary"][0].backward()
    reached = {n for n, p in objective.model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert any(n.startswith("text_to_vision.") for n in reached)
    assert not any(n.startswith(("mask_decoder.", "semantic_decoder.")) for n in reached)


def test_a_class_learns_from_its_own_mask_alone(root):
    """The class term raises the true class's mask where the object is, and lowers the others there."""
    objective, maker = made(root, method=MethodConfig(cls_head="k_masks"))
    seen = []
    forward = objective.model.semantic_decoder.read
    objective.model.semantic_decoder.read = lambda *a: seen.append(forward(*a)) or seen[-1]
    batch = next(b for b in map(maker.__getitem__, range(20)) if any(c.class_index >= 0 for c in b.crops))
    shares = objective(batch, 0)
    each = seen[0].class_masks
    each.retain_grad()
    shares["classes"][0].backward()
    for crop, grad in zip(batch.crops, each.grad, strict=True):
        told = (crop.target[0] > 0) & (crop.class_index >= 0)
        assert bool((grad[:, ~told] == 0).all())
        assert all(bool((grad[k][told] < 0).all()) == (k == crop.class_index) for k in range(3) if told.any())


@pytest.mark.parametrize(
    ("mode", "learns", "rests"),
    [
        ("full", "blocks.0.attn.qkv.weight", "nowhere"),
        ("frozen", "", "neck."),
        ("lora", "blocks.0.attn.qkv.lora_q_up.weight", "blocks.0.attn.qkv.weight"),
        ("adapters", "blocks.1.Adapter.up.weight", "blocks.1.mlp."),
        ("sammed2d", "blocks.1.Adapter.channel.0.weight", "blocks.1.mlp."),
    ],
)
def test_a_vit_learns_on_the_whole_slice_what_its_mode_lets_it(root, monkeypatch, mode, learns, rests):
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)
    objective, maker = made(root, TINY_VIT, method=MethodConfig(encoder_mode=mode), train_slice_backbone=True)
    shares, names = learned(objective, maker)
    encoder = {n.removeprefix("image_encoder.") for n in names if n.startswith("image_encoder.")}
    assert "size" not in shares
    assert (learns in encoder) if learns else not encoder
    assert not any(n.startswith(rests) for n in encoder)


def test_sam_med2ds_corrections_end_with_the_last_mask_alone(root, monkeypatch):
    objective, maker = made(root, simulation="sam-med2d", iterations=4)
    asked = []
    ask = objective._ask
    monkeypatch.setattr(
        objective, "_ask", lambda now, geometries, *more: asked.append(geometries) or ask(now, geometries, *more)
    )
    learned(objective, maker)
    assert len(asked) == 5
    assert all(g.last is None for g in asked[0])
    assert all(len(g.clicks) == 0 and g.box is None and g.last is not None for g in asked[-1])


def test_bfloat16_is_near_float32(root):
    exact, maker = made(root)
    rough, _ = made(root, precision="bf16")
    with torch.no_grad():
        a, b = exact(maker[0], 0), rough(maker[0], 0)
    for name in ("binary", "semantic", "classes"):
        assert float(b[name][0]) == pytest.approx(float(a[name][0]), rel=0.05)
    assert any(not torch.equal(a[n], b[n]) for n in TERMS)


def test_a_shared_decoder_has_fewer_weights():
    independent, shared = tiny(), tiny(replace(TINY_NANO, decoders="shared"))
    assert sum(p.numel() for p in shared.parameters()) < sum(p.numel() for p in independent.parameters())
