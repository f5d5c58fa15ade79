import torch

from napari_segsam.model.zoom_encoder import PROMPT_MAPS, SizeHead, SliceFeatures
from tests.tiny import TINY_NANO, tiny


def test_before_training_the_prompt_maps_leave_the_pretrained_features():
    encoder = tiny().image_encoder
    crops = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        tokens, detail = encoder.look(crops, torch.zeros(1, PROMPT_MAPS, 32, 32))
        other, _ = encoder.look(crops, torch.ones(1, PROMPT_MAPS, 32, 32))
    assert torch.equal(tokens, other)
    assert (tokens.shape, detail.shape) == ((1, 16, 2, 2), (1, 2, 32, 32))


def test_a_slices_features_come_at_strides_16_4_and_8():
    with torch.no_grad():
        features = tiny().encode(torch.rand(2, 3, 64, 64))
    assert features.tokens.shape == (2, 16, 4, 4)
    assert features.detail.shape == (2, 2, 16, 16)
    assert features.local.shape == (2, 8, 8, 8)


def test_features_are_picked_by_owner_and_may_be_missing():
    features = SliceFeatures(torch.arange(3.0).reshape(3, 1, 1, 1))
    picked = features.of(torch.tensor([2, 0, 2]))
    assert picked.tokens.flatten().tolist() == [2, 0, 2]
    assert picked.detail is None


def test_the_size_head_reads_the_features_under_the_click():
    torch.manual_seed(0)
    head = SizeHead(8, 16, TINY_NANO.zoom.size_bins)
    local, tokens = torch.zeros(1, 8, 8, 8), torch.zeros(1, 16, 4, 4)
    local[..., 1, 6] = 5.0  # centre of that cell: x = 13/16, y = 3/16 of the slice
    here, there = torch.tensor([[13 / 8 - 1, 3 / 8 - 1]]), torch.tensor([[-0.5, 0.5]])
    with torch.no_grad():
        features = SliceFeatures(tokens, None, local)
        flat = head(SliceFeatures(tokens, None, torch.zeros_like(local)), here)
        assert torch.equal(head(features, there), flat)
        assert not torch.allclose(head(features, here), flat)
