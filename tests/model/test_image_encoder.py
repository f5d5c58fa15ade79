"""Against segment_anything's own encoder with the same weights."""

from functools import partial

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT

from napari_segsam.model import relative_attention
from napari_segsam.model.image_encoder import VIT_SIZES, Attention, ImageEncoder, ViTSizes

SIZES = ViTSizes(width=48, depth=3, heads=3, global_blocks=(1,))


def public(sizes=SIZES, side=256, out=16, window=14):
    torch.manual_seed(0)
    vit = ImageEncoderViT(
        img_size=side, embed_dim=sizes.width, depth=sizes.depth, num_heads=sizes.heads, out_chans=out, qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=window,
        global_attn_indexes=sizes.global_blocks,
    )  # fmt: skip
    for p in vit.parameters():  # zero tables would hide a mistake in them
        torch.nn.init.normal_(p, std=0.3 if p.ndim == 1 else 1.5 * p[0].numel() ** -0.5)
    return vit.eval()


def pair(side=256, window=14):
    theirs, ours = public(side=side, window=window), ImageEncoder(SIZES, side, out=16, window=window).eval()
    ours.load_state_dict(theirs.state_dict())  # strict: SAM's names
    return theirs, ours


@pytest.mark.parametrize(("side", "window"), [(256, 14), (224, 14), (272, 5), (64, 7), (320, 3)])
@pytest.mark.parametrize("batch", [1, 3])
def test_it_gives_the_public_encoders_embedding(side, window, batch):
    theirs, ours = pair(side, window)
    images = torch.randn(batch, 3, side, side)
    with torch.no_grad():
        expected = theirs(images)
        assert (ours(images) - expected).abs().max() < 1e-5 * (expected.max() - expected.min())


@pytest.mark.parametrize("at_once", [1 << 22, 1 << 14, 1])
def test_its_gradients_are_the_public_encoders_whatever_exists_at_a_time(at_once, monkeypatch):
    monkeypatch.setattr(relative_attention, "_AT_ONCE", at_once)
    theirs, ours = pair()
    images, towards = torch.randn(2, 3, 256, 256), torch.randn(2, 16, 16, 16)
    for vit in (theirs, ours):
        (vit(images) * towards).sum().backward()
    wanted = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        reference = wanted[name].grad
        assert (p.grad - reference).abs().max() < 1e-4 * reference.abs().max(), name


def test_a_pad_fills_incomplete_windows_as_if_it_had_been_in_the_picture():
    torch.manual_seed(0)
    attention = Attention(12, 2, 4, 6)
    for p in attention.parameters():
        torch.nn.init.normal_(p)
    tokens, pad = torch.randn(2, 6, 5, 12), torch.randn(12)
    whole = pad.repeat(2, 8, 8, 1)
    whole[:, :6, :5] = tokens
    with torch.no_grad():
        assert torch.allclose(attention(tokens, pad), attention(whole)[:, :6, :5], atol=1e-5)
        assert not torch.allclose(attention(tokens, pad), attention(tokens), atol=1e-3)


@pytest.mark.parametrize(("side", "window"), [(256, 14), (272, 5)])
def test_what_a_gpu_computes_is_the_same(side, window, monkeypatch):
    _, ours = pair(side, window)
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        on_cpu = ours(images)
        monkeypatch.setattr(relative_attention._InPieces, "apply", relative_attention._at_once)
        monkeypatch.setattr(Attention, "_in_parts", Attention._filled)
        assert (ours(images) - on_cpu).abs().max() < 1e-5 * (on_cpu.max() - on_cpu.min())


def test_another_device_gives_every_shape_in_half_precision_too():
    vit = ImageEncoder(SIZES, 256, out=16).to("meta", torch.bfloat16)
    embedding = vit(torch.empty(2, 3, 256, 256, device="meta", dtype=torch.bfloat16))
    assert embedding.shape == (2, 16, 16, 16)
    assert embedding.dtype == torch.bfloat16


def test_autocast_gives_nearly_the_same_and_gradients():
    _, ours = pair()
    images = torch.randn(1, 3, 256, 256)
    exact = ours(images)
    with torch.autocast("cpu", torch.bfloat16):
        rough = ours(images)
        loss = rough.float().square().mean()
    loss.backward()
    assert (rough.float() - exact).abs().max() < 0.05 * (exact.max() - exact.min())
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().max() > 0 for p in ours.parameters())


@pytest.mark.parametrize("name", VIT_SIZES)
def test_published_sizes_have_the_published_names_and_shapes(name):
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        theirs = sam_model_registry[name]().image_encoder.state_dict()
        ours = ImageEncoder(VIT_SIZES[name], 1024).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
