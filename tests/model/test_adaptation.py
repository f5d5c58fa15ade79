import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segsam.model import build as building
from napari_segsam.model.adaptation import adapt
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.image_encoder import ImageEncoder
from tests.conftest import SHARED
from tests.tiny import SLIM_VIT, TINY_NANO, TINY_VIT


def encoder(mode, seed=0):
    torch.manual_seed(seed)
    vit = ImageEncoder(SLIM_VIT, 64, out=8)
    before = {k: v.clone() for k, v in vit.state_dict().items()}
    adapt(vit, mode)
    return vit.eval(), before


@pytest.mark.parametrize("mode", ["lora", "adapters"])
def test_what_starts_at_zero_changes_nothing_at_first(mode):
    plain, _ = encoder("full")
    adapted, before = encoder(mode)
    picture = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(adapted(picture), plain(picture), atol=1e-6)
    kept = adapted.state_dict()
    assert all(torch.equal(kept[k], v) for k, v in before.items())  # SAM's own names are all still there


@pytest.mark.parametrize("mode", ["lora", "adapters", "sammed2d"])
def test_what_was_added_changes_the_embedding(mode):
    adapted, _ = encoder(mode)
    picture = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = adapted(picture)
        for name, p in adapted.named_parameters():
            if "lora_" in name or ".Adapter." in name:
                p.add_(0.1)
        assert float((adapted(picture) - before).abs().max()) > 1e-3


def test_lora_updates_query_and_value_and_leaves_the_key():
    adapted, _ = encoder("lora")
    qkv = adapted.blocks[0].attn.qkv
    x = torch.randn(3, 16)
    with torch.no_grad():
        before = qkv(x)
        qkv.lora_q_up.weight.normal_()
        qkv.lora_v_up.weight.normal_()
        moved = (qkv(x) - before).abs().sum(0) > 1e-6
    assert moved[:16].all()
    assert not moved[16:32].any()
    assert moved[32:].all()


def test_small_encoders_know_full_and_frozen_alone():
    with pytest.raises(ValueError, match="'lora' is for ViT"):
        building.build(replace(TINY_NANO, encoder_mode="lora"))


def test_a_frozen_vit_learns_nothing(monkeypatch):
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)
    model = building.build(replace(TINY_VIT, encoder_mode="frozen"))
    assert not any(p.requires_grad for p in model.image_encoder.parameters())
    assert all(p.requires_grad for p in model.mask_decoder.parameters())


def _filled(name, shape):
    """The fill that the published model's golden numbers were made with."""
    a = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype("f4")
    if len(shape) == 1:
        return 1 + 0.02 * a if name.endswith("weight") else 0.02 * a
    return a if name.endswith("gaussian_matrix") else a / np.sqrt(np.prod(shape[1:]))


@pytest.mark.skipif(not (SHARED / "golden").is_dir(), reason="no shared golden numbers beside this checkout")
def test_sam_med2ds_adapters_give_the_published_modules_embedding():
    golden = np.load(SHARED / "golden" / "sammed2d_b_adapter1.npz")
    vit = building._image_encoder(SegSamConfig(img_size=256, encoder_mode="sammed2d")).eval()
    names = {k: torch.from_numpy(_filled(f"image_encoder.{k}", tuple(v.shape))) for k, v in vit.state_dict().items()}
    vit.load_state_dict(names)
    picture = torch.from_numpy(np.random.RandomState(1234).uniform(0, 255, (1, 3, 256, 256)).astype("f4"))
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
    with torch.no_grad():
        found = vit((picture - mean) / std).mean((2, 3)).numpy()
    assert np.abs(found - golden["embedding_mean"]).max() < 1e-4
