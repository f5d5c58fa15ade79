import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.engine import zoom
from napari_segsam.engine.prompting import prompt_batch
from napari_segsam.engine.zoom import PRIOR_LIMIT, PromptGeometry, Square
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, NEGATIVE, PAD, POSITIVE

CROP = 32
squares = st.builds(Square, st.integers(-20, 50), st.integers(-20, 50), st.integers(8, 80))


def geometry(clicks=(), positive=(), box=None, last=None):
    at = torch.tensor(clicks, dtype=torch.float32).reshape(-1, 2)
    box = None if box is None else torch.tensor(box, dtype=torch.float32)
    return PromptGeometry(at, torch.tensor(positive, dtype=torch.bool), box, last)


def maps_of(prompted, inside=None):
    names = ("box", "prior", "positive", "negative", "last", "inside")
    maps, prior = zoom.prompt_maps(prompted, torch.ones(1, CROP, CROP) if inside is None else inside)
    return dict(zip(names, maps, strict=True)), prior[0]


# --- where the square lies


@given(st.floats(0, 60), st.floats(0, 60), st.floats(1, 100))
def test_a_squares_centre_is_the_pixel_raster_nearest_to_what_was_asked(row, col, side):
    square = Square.centred(row, col, side, 12)
    assert square.side == max(round(side), 12)
    for asked, first in ((row, square.row0), (col, square.col0)):
        assert abs(first + (square.side - 1) / 2 - asked) <= 0.5 + 1e-9


@given(squares)
def test_the_squares_outer_edges_are_the_crops(square):
    corners = torch.tensor([[0, 0], [square.side, square.side]]) - 0.5 + torch.tensor([square.row0, square.col0])
    assert torch.allclose(
        square.to_crop(corners, CROP), torch.tensor([[-0.5, -0.5], [CROP - 0.5, CROP - 0.5]]), atol=1e-4
    )


@given(squares, st.integers(0, 59), st.integers(0, 69))
def test_a_marked_pixel_is_found_in_the_crop_where_a_click_on_it_lands(square, row, col):
    """The crop's centre of mass is the click's place, to a tenth of a crop pixel more than resampling costs."""
    picture = torch.zeros(1, 60, 70)
    picture[0, row, col] = 1
    crop = zoom.cut(picture, square, CROP)[0]
    at = square.to_crop(torch.tensor([float(row), float(col)]), CROP)
    inside = all(0 <= v - o < square.side for v, o in ((row, square.row0), (col, square.col0)))
    assert bool(crop.sum() > 0) or not inside
    if not inside:
        assert float(crop.sum()) == 0
    elif bool(((at > 2) & (at < CROP - 3)).all()):
        rows, cols = (torch.arange(CROP, dtype=torch.float32) * crop.sum(d) for d in (1, 0))
        centre = torch.stack([rows.sum(), cols.sum()]) / crop.sum()
        assert float((centre - at).abs().max()) < 0.6 * max(CROP / square.side, 1) + 0.1


@pytest.mark.parametrize("square", [Square(5, 9, CROP), Square(-6, 40, CROP), Square(40, -10, CROP)])
def test_at_full_resolution_cutting_and_pasting_a_pixel_puts_it_back(square):
    picture = torch.arange(60 * 70, dtype=torch.float32).reshape(1, 60, 70) + 1
    back = zoom.paste(zoom.cut(picture, square, CROP), square, (60, 70), outside=-1)[0]
    rows, cols = torch.meshgrid(torch.arange(60), torch.arange(70), indexing="ij")
    covered = (rows >= square.row0) & (rows < square.row0 + CROP) & (cols >= square.col0) & (cols < square.col0 + CROP)
    assert torch.equal(back[covered], picture[0][covered])
    assert bool((back[~covered] == -1).all())


@pytest.mark.parametrize("side", [16, 24, 48, 61])
@pytest.mark.parametrize(("row", "col"), [(30, 35), (0, 0), (59, 69), (12, 60)])
def test_a_marked_pixel_comes_back_to_itself_through_crops_of_any_size(side, row, col):
    square = Square.centred(row, col, side, 8)
    picture = torch.zeros(1, 60, 70)
    picture[0, max(row - 1, 0) : row + 2, max(col - 1, 0) : col + 2] = 0.5
    picture[0, row, col] = 1
    back = zoom.paste(zoom.cut(picture, square, CROP), square, (60, 70))[0]
    peak = np.unravel_index(int(back.argmax()), (60, 70))
    assert max(abs(peak[0] - row), abs(peak[1] - col)) <= (0 if side <= CROP else 1)


def test_a_square_beside_the_picture_is_empty_and_pastes_nothing():
    for square in (Square(100, 0, 20), Square(0, -50, 20)):
        assert float(zoom.cut(torch.ones(1, 60, 70), square, CROP).abs().sum()) == 0
        assert bool((zoom.paste(torch.ones(2, CROP, CROP), square, (60, 70)) == -20).all())


# --- intensities


def test_a_crop_is_stretched_between_its_own_percentiles_and_outside_is_dark():
    crop = torch.linspace(100, 300, CROP * CROP).reshape(1, CROP, CROP)
    inside = torch.ones(1, CROP, CROP)
    inside[:, :, :8] = 0
    seen = zoom.normalise(crop.expand(3, -1, -1), inside)
    assert (float(seen.min()), float(seen.max())) == (-1, 1)
    assert bool((seen[:, :, :8] == -1).all())
    assert torch.allclose(zoom.normalise(crop * 7 - 50, inside), zoom.normalise(crop, inside), atol=1e-4)


def test_what_lies_outside_does_not_stretch_the_percentiles():
    crop = torch.full((1, CROP, CROP), -5000.0)
    inside = torch.zeros(1, CROP, CROP)
    inside[:, :, 8:] = 1
    crop[:, :, 8:] = torch.linspace(0, 1, CROP).reshape(-1, 1)
    assert float(zoom.normalise(crop, inside)[0, :, 8:].std()) > 0.3


def test_a_constant_crop_is_mid_grey():
    assert bool((zoom.normalise(torch.full((3, 8, 8), 7.0), torch.ones(1, 8, 8)) == 0).all())


def test_colours_keep_their_hue():
    crop = torch.stack([torch.full((8, 8), v) for v in (10.0, 20.0, 30.0)])
    assert zoom.normalise(crop, torch.ones(1, 8, 8))[:, 0, 0].tolist() == pytest.approx([-1, 0, 1])


def test_percentiles_of_a_large_picture_are_those_of_a_sample():
    values = torch.linspace(0, 1, 1_000_003)[torch.randperm(1_000_003, generator=torch.Generator().manual_seed(0))]
    assert zoom.percentile_limits(values) == pytest.approx((0.005, 0.995), abs=2e-3)


# --- the whole slice


@pytest.mark.parametrize("shape", [(30, 80), (80, 30), (64, 64), (200, 500), (1, 300)])
def test_a_slice_is_fitted_by_its_longest_side_and_padded_with_zero(shape):
    small, scale = zoom.fit_slice(torch.rand(3, *shape), 64)
    height, width = zoom.fitted(torch.zeros(1, *shape), 64)
    assert small.shape == (3, 64, 64)
    assert (max(height, width), scale) == (64, 64 / max(shape))
    assert height == max(int(shape[0] * scale + 0.5), 1)
    assert bool((small[:, height:] == 0).all()) and bool((small[:, :, width:] == 0).all())


def test_a_place_on_the_slice_is_the_squares_outer_edges():
    assert zoom.place_on_slice(Square(10, 20, 30), 0.5) == [10.0, 5.0, 25.0, 20.0]


@given(st.floats(1 / 64, 1), st.integers(2, 30))
def test_sizes_and_their_bins_are_inverses(size, bins):
    index = zoom.size_to_bin(torch.tensor(size), bins)
    assert 0 <= float(index) <= bins - 1 + 1e-4
    assert float(zoom.bin_to_size(index, bins)) == pytest.approx(size, rel=1e-4)


# --- prompts as maps


def test_a_box_is_filled_to_the_edges_of_its_corner_pixels():
    maps, prior = maps_of(geometry(box=(4, 6, 11, 21)))
    assert maps["box"].nonzero().min(0).values.tolist() == [4, 6]
    assert maps["box"].nonzero().max(0).values.tolist() == [11, 21]
    ellipse = (prior > 0).nonzero()
    assert (ellipse.min(0).values.tolist(), ellipse.max(0).values.tolist()) == ([4, 6], [11, 21])
    assert not bool(prior[4, 6] > 0)  # an ellipse leaves the corners out
    assert float(prior.abs().max()) == PRIOR_LIMIT
    assert torch.allclose(maps["prior"], prior / PRIOR_LIMIT)


def test_a_box_of_one_pixel_has_a_prior():
    _, prior = maps_of(geometry(box=(7, 7, 7, 7)))
    assert (prior > 0).nonzero().tolist() == [[7, 7]]


def test_clicks_are_disks_by_their_sign():
    maps, prior = maps_of(geometry([(8, 9), (20, 25)], [True, False]))
    assert divmod(int(maps["positive"].argmax()), CROP) == (8, 9)
    assert divmod(int(maps["negative"].argmax()), CROP) == (20, 25)
    assert divmod(int(prior.argmax()), CROP) == (8, 9)
    assert float(maps["box"].sum() + maps["last"].sum()) == 0


def test_the_last_mask_outranks_the_box_and_the_box_the_click():
    last = torch.full((1, CROP, CROP), -1.0)
    last[:, 3:6, 3:6] = 1
    _, with_box = maps_of(geometry([(20, 20)], [True], (4, 6, 11, 21)))
    assert torch.equal(with_box, maps_of(geometry(box=(4, 6, 11, 21)))[1])
    maps, prior = maps_of(geometry([(20, 20)], [True], (4, 6, 11, 21), last))
    assert torch.equal(prior, PRIOR_LIMIT * last[0])
    assert torch.equal(maps["last"], last[0])
    assert float(maps["box"].sum()) > 0


# --- prompts as tokens


def test_tokens_are_x_before_y_and_end_with_sams_pad_where_there_is_no_box():
    batch = prompt_batch([geometry([(3, 5), (7, 9)], [True, False]), geometry(box=(1, 2, 3, 4))], 8)
    assert batch.labels.tolist() == [[POSITIVE, NEGATIVE, PAD], [BOX_MIN, BOX_MAX, PAD]]
    assert batch.points_xy.tolist() == [[[5, 3], [9, 7], [0, 0]], [[2, 1], [4, 3], [0, 0]]]
    assert (batch.mask_logits, batch.has_mask) == (None, None)


def test_a_last_mask_becomes_low_resolution_logits_of_its_own_row():
    last = torch.full((1, CROP, CROP), -1.0)
    last[:, :16] = 1
    batch = prompt_batch([geometry([(3, 5)], [True]), geometry([(3, 5)], [True], last=last)], 8)
    assert batch.has_mask.tolist() == [False, True]
    assert batch.mask_logits.shape == (2, 1, 8, 8)
    assert bool((batch.mask_logits[1, 0, :4] == PRIOR_LIMIT).all())
    assert bool((batch.mask_logits[1, 0, 4:] == -PRIOR_LIMIT).all())
