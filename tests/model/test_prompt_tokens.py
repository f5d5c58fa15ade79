"""Against the stock prompt encoder of segment_anything with the same weights."""

import pytest
import torch
from segment_anything.modeling import PromptEncoder

from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, NEGATIVE, PAD, POSITIVE, PromptBatch, PromptTokens
from tests.tiny import prompts

SIDE, CELLS = 64, 4
SIZES = {"embed_dim": 32, "image_embedding_size": (CELLS, CELLS), "input_image_size": (SIDE, SIDE), "mask_in_chans": 16}


@pytest.fixture
def pair():
    torch.manual_seed(1)
    stock, ours = PromptEncoder(**SIZES), PromptTokens(**SIZES)
    ours.load_state_dict(stock.state_dict())  # strict: SAM's names
    return stock.eval(), ours.eval()


def test_clicks_give_the_stock_tokens_with_the_stock_pad(pair):
    stock, ours = pair
    batch = prompts([[POSITIVE, NEGATIVE, POSITIVE, PAD]] * 3, SIDE)
    expected, _ = stock((batch.points_xy[:, :-1], batch.labels[:, :-1]), None, None)  # it adds the pad itself
    assert torch.allclose(ours.sparse(batch), expected, atol=1e-6)


def test_boxes_give_the_stock_tokens(pair):
    stock, ours = pair
    batch = prompts([[BOX_MIN, BOX_MAX]] * 3, SIDE)
    expected, _ = stock(None, batch.points_xy.reshape(3, 4), None)
    assert torch.allclose(ours.sparse(batch), expected, atol=1e-6)


def test_clicks_beside_a_box_give_the_stock_tokens(pair):
    stock, ours = pair
    batch = prompts([[NEGATIVE, BOX_MIN, BOX_MAX]] * 2, SIDE)
    points = (batch.points_xy[:, :1], batch.labels[:, :1])
    expected, _ = stock(points, batch.points_xy[:, 1:].reshape(2, 4), None)
    assert torch.allclose(ours.sparse(batch), expected, atol=1e-6)


def test_a_shorter_row_padded_to_a_longer_one_keeps_its_tokens(pair):
    _, ours = pair
    both = prompts([[POSITIVE, PAD, PAD], [POSITIVE, BOX_MIN, BOX_MAX]], SIDE)
    alone = PromptBatch(both.points_xy[:1, :2], both.labels[:1, :2])
    tokens = ours.sparse(both)
    assert torch.allclose(tokens[:1, :2], ours.sparse(alone), atol=1e-6)
    assert torch.allclose(tokens[0, 2], ours.not_a_point_embed.weight[0])


def test_a_mask_prompt_gives_the_stock_dense_embedding(pair):
    stock, ours = pair
    masks = torch.randn(2, 1, 4 * CELLS, 4 * CELLS)
    batch = prompts([[POSITIVE, PAD]] * 2, SIDE)
    batch.mask_logits, batch.has_mask = masks, torch.tensor([True, True])
    _, expected = stock(None, None, masks)
    assert torch.allclose(ours.dense(batch), expected, atol=1e-6)


def test_rows_with_and_without_a_mask_share_a_batch(pair):
    stock, ours = pair
    batch = prompts([[POSITIVE, PAD]] * 2, SIDE)
    batch.mask_logits, batch.has_mask = torch.randn(2, 1, 16, 16), torch.tensor([True, False])
    _, with_mask = stock(None, None, batch.mask_logits[:1])
    _, without = stock((batch.points_xy[:1, :1], batch.labels[:1, :1]), None, None)
    assert torch.allclose(ours.dense(batch), torch.cat([with_mask, without]), atol=1e-6)
    assert torch.allclose(ours.dense(prompts([[POSITIVE]], SIDE)), without, atol=1e-6)
