import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_segsam.model.dual_branch import DualBranchEncoder, Pyramid, quarters
from napari_segsam.model.image_encoder import ImageEncoder, ViTSizes

SIDE, DIM = 64, 16


def vit(seed=0):
    torch.manual_seed(seed)
    encoder = ImageEncoder(ViTSizes(24, 4, 2, (1, 3)), SIDE, out=DIM, window=2)
    return encoder.requires_grad_(False)


@pytest.fixture
def encoder():
    return DualBranchEncoder(vit(), DIM, heads=2).eval()


def spoken(encoder):
    """What has learned something: every projection that was zero is not."""
    with torch.no_grad():
        for layer in [encoder.fusion.write, *(m.write for m in encoder.meetings)]:
            nn.init.normal_(layer.weight, std=0.1)
    return encoder


def test_they_meet_after_each_quarter_of_the_blocks():
    assert quarters(12) == (2, 5, 8, 11)
    assert quarters(24) == (5, 11, 17, 23)
    assert quarters(32) == (7, 15, 23, 31)


def test_without_what_the_branch_writes_it_gives_the_frozen_embedding_to_the_last_bit(encoder):
    images = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        assert torch.equal(encoder(images), vit()(images))
        spoken(encoder)
        assert float((encoder(images) - vit()(images)).abs().max()) > 1e-2
        for layer in [encoder.fusion.write, *(m.write for m in encoder.meetings)]:
            nn.init.zeros_(layer.weight)
        assert torch.equal(encoder(images), vit()(images))


def test_each_place_where_they_meet_counts(encoder):
    images = torch.randn(1, 3, SIDE, SIDE)
    with torch.no_grad():
        spoken(encoder)
        whole = encoder(images)
        for layer in [encoder.fusion.write, *(m.write for m in encoder.meetings)]:
            kept = layer.weight.clone()
            layer.weight.zero_()
            assert float((encoder(images) - whole).abs().max()) > 1e-3
            layer.weight.copy_(kept)


def test_the_fusions_weights_sum_to_one_over_the_branches(encoder):
    weights = encoder.fusion.weights(torch.randn(2, 5, 4, 4, DIM)).detach()
    assert weights.shape == (2, 5, 4, 4, DIM)
    assert torch.allclose(weights.sum(1), torch.ones(2, 4, 4, DIM), atol=1e-6)
    assert float(weights.std()) > 1e-3


def test_every_level_of_the_pyramid_has_the_vits_cells_and_sees_the_picture():
    torch.manual_seed(0)
    pyramid, images = Pyramid(DIM), torch.randn(1, 3, SIDE, SIDE)
    brighter = images.clone()
    brighter[..., :16, :16] += 1
    maps = pyramid(images)
    assert maps.shape == (1, 4, SIDE // 16, SIDE // 16, DIM)
    assert ((pyramid(brighter) - maps).abs().amax((0, 2, 3, 4)) > 1e-4).all()


def test_a_frozen_vit_stays_as_it_is_while_the_branch_learns(encoder):
    encoder = spoken(encoder).train()
    encoder(torch.randn(1, 3, SIDE, SIDE)).square().sum().backward()
    learns = {name for name, p in encoder.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert not any(name.startswith("sam_img_encoder.") for name in learns)
    assert all(any(name.startswith(part) for name in learns) for part in ("pyramid.", "meetings.0.", "fusion."))


def scene(random):
    """Thin strokes on noise, which cells of 16 pixels hardly show."""
    images, masks = 0.3 * torch.randn(4, 3, SIDE, SIDE, generator=random), torch.zeros(4, 1, SIDE, SIDE)
    for mask in masks:
        row, col = torch.randint(4, SIDE - 4, (2,), generator=random).tolist()
        mask[0, row : row + 2] = 1
        mask[0, :, col : col + 2] = 1
    return images + masks, masks


def loss_after(encoder, steps):
    """Of masks that are read from each cell's embedding by one layer, on fresh pictures."""
    torch.manual_seed(1)
    read = nn.Conv2d(DIM, 256, 1)
    learned = [p for p in [*encoder.parameters(), *read.parameters()] if p.requires_grad]
    optimiser = torch.optim.Adam(learned, 3e-3)
    random = torch.Generator().manual_seed(2)
    for _ in range(steps):
        images, masks = scene(random)
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(F.pixel_shuffle(read(encoder(images)), 16), masks).backward()
        optimiser.step()
    with torch.no_grad():
        images, masks = scene(torch.Generator().manual_seed(3))
        return float(F.binary_cross_entropy_with_logits(F.pixel_shuffle(read(encoder(images)), 16), masks))


def test_it_learns_more_than_the_frozen_encoder_alone():
    frozen = loss_after(vit(), 30)
    ours = loss_after(DualBranchEncoder(vit(), DIM, heads=2), 30)
    assert ours < 0.8 * frozen
