import math

import numpy as np
import torch

from napari_segsam.model.deformable import DeformableAttention, sampled


def bilinear(plane, x, y):
    """One number of an (h, w) plane at (x, y) in cells, integer = a cell's centre; zero beyond."""
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for col in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < plane.shape[0] and 0 <= col < plane.shape[1]:
                total += (1 - abs(y - row)) * (1 - abs(x - col)) * plane[row, col]
    return total


def by_hand(values, at, weights):
    b, heads, levels, d, h, w = values.shape
    queries, points = at.shape[1], at.shape[4]
    out = np.zeros((b, queries, heads, d))
    for i, q, head, level, p in np.ndindex(b, queries, heads, levels, points):
        x, y = at[i, q, head, level, p] * (w, h) - 0.5
        for c in range(d):
            out[i, q, head, c] += weights[i, q, head, level, p] * bilinear(values[i, head, level, c], x, y)
    return out.reshape(b, queries, heads * d)


def test_sampling_is_the_bilinear_sum_by_hand_inside_the_maps_and_beyond_them():
    random = np.random.default_rng(0)
    values = random.standard_normal((2, 2, 3, 2, 4, 6))
    at = random.uniform(-0.3, 1.3, (2, 5, 2, 3, 4, 2))
    weights = random.uniform(0, 1, (2, 5, 2, 3, 4))
    ours = sampled(*(torch.from_numpy(a.astype("f4")) for a in (values, at, weights))).numpy()
    assert ((at < 0) | (at > 1)).any()
    assert np.abs(ours - by_hand(values, at, weights)).max() < 1e-5


def test_a_cell_that_looks_at_itself_alone_sees_its_own_value():
    torch.manual_seed(0)
    attention = DeformableAttention(dim=4, heads=2, levels=1, points=1)
    maps = torch.randn(1, 1, 3, 5, 4)
    with torch.no_grad():
        attention.offsets.bias.zero_()
        seen = attention(maps)
        assert torch.allclose(seen, attention.out(attention.value(maps)), atol=1e-5)


def test_offsets_are_counted_in_cells():
    torch.manual_seed(0)
    attention = DeformableAttention(dim=4, heads=2, levels=1, points=1)
    maps = torch.randn(1, 1, 3, 5, 4)
    with torch.no_grad():
        attention.offsets.bias.copy_(torch.tensor([1.0, 0.0]).repeat(2))  # one cell to the right
        seen = attention(maps)
        there = attention.out(attention.value(maps)[..., 1:, :])
    assert torch.allclose(seen[..., :-1, :], there, atol=1e-5)


def test_at_first_every_head_looks_its_own_way_with_equal_weights():
    attention = DeformableAttention(dim=8, heads=4, levels=5)
    offsets = attention.offsets.bias.detach().reshape(4, 5, 4, 2)
    assert len({tuple(o.round(decimals=3).tolist()) for o in offsets[:, 0, 0]}) == 4
    assert torch.allclose(offsets.norm(dim=-1), torch.arange(1.0, 5.0).expand(4, 5, 4))
    assert not attention.weights.weight.any()


def test_places_and_weights_learn():
    torch.manual_seed(0)
    attention = DeformableAttention(dim=8, heads=2, levels=2)
    attention(torch.randn(1, 2, 4, 4, 8)).square().sum().backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in attention.parameters())
