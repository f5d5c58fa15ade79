import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.aux_unet import AuxUNet, structure_loss
from tests.model.zoo.golden import fill, picture
from tests.model.zoo.parity import Parity

NAME, KEYS = "auxol_unet4", "auxol_unet4_bilinear"
PICTURES = (2, 4, 128, 128)
MASK = torch.from_numpy(np.random.RandomState(5).uniform(0, 1, (2, 1, 128, 128)) > 0.7).float()


def built():
    model = AuxUNet()
    load_exactly(model, fill(KEYS))
    return model.eval()


def outputs(model):
    logits = model(torch.from_numpy(picture(0, 1, PICTURES)))
    return {"logits": logits[..., ::4, ::4].numpy(), "structure_loss": structure_loss(logits, MASK).reshape(1).numpy()}


class Swapped(torch.nn.Module):
    """A step up that puts what comes from below before what was there on the way down."""

    def __init__(self, up):
        super().__init__()
        self.conv = up.conv

    def forward(self, x, skip):
        larger = F.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=True)
        return self.conv(torch.cat([larger, skip], 1))


def with_skips_last(model):
    for name in ("up1", "up2", "up3", "up4"):
        setattr(model, name, Swapped(getattr(model, name)))


PARITY = (
    Parity(
        "AuxOL, its network", NAME, KEYS, built, outputs, {"skips after what comes up": with_skips_last}, tensors=20
    ),
)


def test_pictures_of_a_batch_do_not_see_each_other():
    torch.manual_seed(0)
    net, two = AuxUNet(base=4), torch.rand(2, 4, 32, 32)
    assert torch.allclose(net(two), torch.cat([net(two[:1]), net(two[1:])]), atol=1e-5)


def test_learning_and_answering_are_the_same():
    torch.manual_seed(0)
    net, x = AuxUNet(base=4), torch.rand(1, 4, 32, 32)
    assert torch.equal(net.train()(x), net.eval()(x))


# --- the loss


def test_the_loss_is_mean_cross_entropy_and_an_iou_loss_heavier_at_edges():
    torch.manual_seed(0)
    logits, mask = torch.randn(2, 1, 40, 40), (torch.rand(2, 1, 40, 40) > 0.6).float()
    padded = F.pad(mask, (15, 15, 15, 15))
    near = torch.stack([padded[..., r : r + 40, c : c + 40] for r in range(31) for c in range(31)]).mean(0)
    weights = 1 + 5 * (near - mask).abs()
    p = logits.sigmoid()
    both, all_ = (weights * p * mask).sum((1, 2, 3)), (weights * (p + mask)).sum((1, 2, 3))
    iou = 1 - (both + 1) / (all_ - both + 1)
    bce = -(mask * p.log() + (1 - mask) * (1 - p).log())
    assert float(structure_loss(logits, mask)) == pytest.approx(float(bce.mean() + iou.mean()), abs=1e-4)


def test_the_cross_entropy_is_not_weighted_as_published():
    logits, mask = torch.zeros(1, 1, 40, 40), torch.zeros(1, 1, 40, 40)
    mask[..., :20] = 1
    logits[..., 19:21] = 3 * (mask[..., 19:21] * 2 - 1)  # right where the weights are large
    bce = F.binary_cross_entropy_with_logits(logits, mask)
    weights = 1 + 5 * (F.avg_pool2d(mask, 31, 1, 15) - mask).abs()
    weighted = (weights * F.binary_cross_entropy_with_logits(logits, mask, reduction="none")).sum() / weights.sum()
    assert abs(float(weighted - bce)) > 1e-3
    p = logits.sigmoid()
    both, all_ = (weights * p * mask).sum(), (weights * (p + mask)).sum()
    iou = 1 - (both + 1) / (all_ - both + 1)
    assert float(structure_loss(logits, mask)) == pytest.approx(float(bce + iou), abs=1e-5)


def test_a_perfect_answer_costs_nothing():
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    assert float(structure_loss(40 * (mask * 2 - 1), mask)) < 1e-3
