"""Against the stock mask decoder of segment_anything with the same weights."""

import pytest
import torch
from segment_anything.modeling import MaskDecoder, TwoWayTransformer

from napari_segsam.model.binary_decoder import BinaryDecoder
from napari_segsam.model.scene import Scene

C, SIDE, P = 32, 4, 3


def decoder(kind):
    transformer = TwoWayTransformer(depth=2, embedding_dim=C, num_heads=2, mlp_dim=32)
    return kind(transformer_dim=C, transformer=transformer, iou_head_hidden_dim=C).eval()


@pytest.fixture
def pair():
    torch.manual_seed(2)
    stock, ours = decoder(MaskDecoder), decoder(BinaryDecoder)
    left = ours.load_state_dict(stock.state_dict(), strict=False)
    assert (left.missing_keys, left.unexpected_keys) == (["prior_trust"], [])
    return stock, ours


def scene(image, pe, dense):
    tokens = (image + dense).flatten(2).unsqueeze(2)
    return Scene(tokens, pe.expand_as(dense).flatten(2).unsqueeze(2), (SIDE, SIDE))


def test_on_one_image_the_batched_decoder_gives_the_stock_numbers(pair):
    stock, ours = pair
    image, pe = torch.randn(1, C, SIDE, SIDE), torch.randn(1, C, SIDE, SIDE)
    sparse, dense = torch.randn(P, 5, C), torch.randn(P, C, SIDE, SIDE)
    with torch.no_grad():
        masks, iou = stock.predict_masks(image, pe, sparse, dense)
        mine, my_iou = ours(scene(image.expand(P, -1, -1, -1), pe, dense), sparse)
    assert mine.shape == (P, 4, 4 * SIDE, 4 * SIDE)
    assert torch.allclose(mine, masks, atol=1e-5)
    assert torch.allclose(my_iou, iou, atol=1e-5)


def test_prompts_of_different_images_do_not_meet(pair):
    _, ours = pair
    images, pe = torch.randn(P, C, SIDE, SIDE), torch.randn(1, C, SIDE, SIDE)
    sparse, dense = torch.randn(P, 5, C), torch.randn(P, C, SIDE, SIDE)
    with torch.no_grad():
        together, _ = ours(scene(images, pe, dense), sparse)
        for i in range(P):
            row = slice(i, i + 1)
            alone, _ = ours(scene(images[row], pe, dense[row]), sparse[row])
            assert torch.allclose(together[row], alone, atol=1e-5)


def test_the_prompts_prior_is_added_as_far_as_it_is_trusted(pair):
    _, ours = pair
    image, pe = torch.randn(1, C, SIDE, SIDE), torch.randn(1, C, SIDE, SIDE)
    plain = scene(image, pe, torch.zeros(1, C, SIDE, SIDE))
    prior = torch.randn(1, 1, 4 * SIDE, 4 * SIDE)
    told = Scene(plain.tokens, plain.pe, plain.focus, prior=prior)
    sparse = torch.randn(1, 2, C)
    with torch.no_grad():
        assert torch.allclose(ours(told, sparse)[0], ours(plain, sparse)[0] + ours.prior_trust * prior, atol=1e-5)
