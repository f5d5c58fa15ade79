"""What a published model sees of a slice, and that a place stays where it is on the way there and back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.grid import Grid
from napari_segsam.core.prompts import Click
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.zoo.preparing import frame_for, square, values_of
from napari_segsam.model.zoo.family import SAM_MEAN, SAM_STD
from tests.tiny import picture_view
from tests.zoo import PLAIN

FITS = ("longest", "squash")
RESAMPLES = ("antialias", "nearest", "area", "bicubic", "cubic_twice")
MINMAX = replace(PLAIN, intensities="minmax", std=(1, 1, 1))


def seen(view, how, window=None):
    return square(values_of(view, window, how), frame_for(view, how), how)


def blob(shape, row, col, spacing=(1.0, 1.0)):
    """A round spot, in millimetres, so wide that no side of the square loses it."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    wide = 0.12 * max(shape[0] * spacing[0], shape[1] * spacing[1])
    mm = ((rows - row) * spacing[0]) ** 2 + ((cols - col) * spacing[1]) ** 2
    return (np.exp(-mm / (2 * (wide / 2) ** 2)) * 200).astype(np.float32)


def centroid(picture):
    rows, cols = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in picture.shape), indexing="ij")
    weight = picture.double().clamp(min=0)
    return tuple(float((weight * at).sum() / weight.sum()) for at in (rows, cols))


@given(
    st.sampled_from(FITS),
    st.sampled_from(RESAMPLES),
    st.tuples(st.integers(50, 150), st.integers(50, 150)),
    st.sampled_from([(1.0, 1.0), (2.5, 0.8), (0.7, 1.9)]),
    st.tuples(st.floats(0.35, 0.65), st.floats(0.35, 0.65)),
    st.sampled_from([64, 96, 256]),
)
def test_a_place_of_the_picture_is_where_its_coordinates_say_within_half_a_pixel(
    fit, resample, shape, spacing, at, side
):
    row, col = (round(a * (n - 1)) for a, n in zip(at, shape, strict=True))
    view = picture_view(blob(shape, row, col, spacing), spacing)
    how = replace(MINMAX, fit=fit, resample=resample, side=side)
    frame = frame_for(view, how)
    drawn = seen(view, how)[0, : frame.height, : frame.width]
    # the spot's tails are cut off where it reaches the picture's edge, on both sides alike
    there = centroid((drawn - 0.4).clamp(min=0))
    before = centroid((torch.from_numpy(np.ascontiguousarray(view.pixels)) / 200 - 0.4).clamp(min=0))
    on_square = frame.click(Click(*before))
    for found, said, scale in zip(there, (on_square.row, on_square.col), frame.scale, strict=True):
        assert abs(found - said) / scale <= 0.5


@pytest.mark.parametrize("resample", RESAMPLES)
@pytest.mark.parametrize("side", [64, 96, 512])
@pytest.mark.parametrize("shape", [(150, 150), (149, 60)])
def test_a_pixel_of_the_square_shows_what_lies_where_its_centre_does(shape, side, resample):
    """A ramp says of each pixel where it came from; the rims, where there is nothing beyond, are left out.

    Beside it lie the darkest and the brightest of the picture, so that these are known after resizing.
    """
    ramp = np.tile(np.arange(shape[0], dtype=np.float32)[:, None], (1, shape[1]))
    ramp[:, : shape[1] // 3], ramp[:, -(shape[1] // 3) :] = -50, shape[0] + 50
    view = picture_view(ramp)
    how = replace(MINMAX, resample=resample, side=side)
    frame = frame_for(view, how)
    rows = torch.arange(frame.height)[frame.height // 8 : -frame.height // 8]
    shown = seen(view, how)[0, rows, frame.width // 2] * (shape[0] + 100) - 50
    meant = (rows + 0.5) / frame.scale[0] - 0.5
    assert float((shown - meant).abs().max()) <= (0.55 if resample in ("nearest", "area") else 0.2)


@given(
    st.sampled_from(FITS),
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.sampled_from([(1.0, 1.0), (5.0, 0.7)]),
)
def test_a_click_comes_back_to_where_it_was(fit, shape, at, spacing):
    frame = frame_for(picture_view(np.zeros(shape, np.uint8), spacing), replace(PLAIN, fit=fit, side=1024))
    click = Click(*(a * (n - 1) for a, n in zip(at, shape, strict=True)))
    there = frame.click(click)
    assert -0.5 <= there.row <= 1023.5 and -0.5 <= there.col <= 1023.5
    back = [(v + 0.5) / s - 0.5 for v, s in zip((there.row, there.col), frame.scale, strict=True)]
    assert np.allclose(back, (click.row, click.col), atol=1e-6)


# -- where the picture lies


def test_the_longest_side_fills_the_square_and_the_rest_is_zero():
    view = picture_view(np.full((40, 80), 255, np.uint8))
    picture = seen(view, replace(PLAIN, mean=SAM_MEAN, std=SAM_STD))
    white = (255 - torch.tensor(SAM_MEAN)) / torch.tensor(SAM_STD)
    assert torch.allclose(picture[:, :32], white.reshape(3, 1, 1).expand(3, 32, 64), atol=1e-6)
    assert not picture[:, 32:].any()


def test_sides_are_rounded_as_sam_rounds_them():
    frame = frame_for(picture_view(np.zeros((333, 512), np.uint8)), replace(PLAIN, side=1024))
    assert (frame.height, frame.width) == (666, 1024)
    assert frame_for(picture_view(np.zeros((1, 900), np.uint8)), PLAIN).height == 1


def test_pixels_that_are_not_square_are_fitted_by_their_millimetres_and_squashing_needs_none():
    view = picture_view(np.zeros((20, 100), np.int16), (5.0, 1.0))
    assert frame_for(view, PLAIN).scale == (64 / 20, 64 / 100)
    wide = frame_for(picture_view(np.zeros((20, 100), np.int16)), PLAIN)
    assert (wide.height, wide.width) == (13, 64)
    squashed = frame_for(view, replace(PLAIN, fit="squash"))
    assert (squashed.height, squashed.width) == (64, 64)


@pytest.mark.parametrize("resample", RESAMPLES)
@pytest.mark.parametrize("shape", [(64, 64), (30, 200), (200, 31), (1, 5), (3, 1)])
def test_every_slice_fills_the_square_with_numbers(resample, shape):
    view = picture_view(np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16))
    for how in (replace(PLAIN, resample=resample), replace(MINMAX, resample=resample, fit="squash")):
        picture = seen(view, how)
        assert picture.shape == (3, 64, 64) and torch.isfinite(picture).all()
        assert float(picture.min()) >= 0 and float(picture.max()) <= 1


def test_area_is_the_mean_of_what_a_pixel_covers():
    pixels = np.random.default_rng(0).integers(0, 255, (100, 100)).astype(np.uint8)
    picture = seen(picture_view(pixels), replace(PLAIN, resample="area", side=40)) * 255
    first = (pixels[:2, :2].sum() + (pixels[2, :2].sum() + pixels[:2, 2].sum()) * 0.5 + pixels[2, 2] * 0.25) / 6.25
    assert float(picture[0, 0, 0]) == pytest.approx(first, abs=0.51)
    assert float(picture[0].mean()) == pytest.approx(pixels.mean(), abs=0.1)


def test_antialias_is_what_pil_gives_to_one_grey():
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (150, 110)).astype(np.uint8)
    wanted = np.asarray(Image.fromarray(pixels).resize((47, 64), Image.Resampling.BILINEAR), np.float32)
    picture = seen(picture_view(pixels), PLAIN)[0, :, :47].numpy() * 255
    assert np.abs(picture - wanted).max() <= 1  # PIL rounds between its two passes


@pytest.mark.parametrize("shape", [(100, 90), (40, 52)])
def test_bicubic_is_what_scikit_image_gives(shape):
    from skimage.transform import resize

    pixels = np.random.default_rng(0).random(shape).astype(np.float32)
    wanted = resize(pixels, (64, 64), order=3, preserve_range=True, anti_aliasing=True)
    how = replace(MINMAX, fit="squash", resample="bicubic")
    assert np.abs(seen(picture_view(pixels), how)[0].numpy() - (wanted - pixels.min()) / np.ptp(pixels)).max() < 0.02


# -- intensities


@pytest.mark.parametrize("shift", [0, 1024])
def test_ct_is_clipped_to_its_window_and_scaled_by_it_whatever_the_dtype(shift):
    ramp = np.tile(np.arange(-1000, 1000, 31.25), (64, 1))
    view = picture_view((ramp + shift).astype(np.uint16 if shift else np.int16), modality="ct")
    picture = seen(view, PLAIN, Window(40 + shift, 400)) * 255
    assert torch.equal(picture, picture.round())
    wanted = np.round((np.clip(np.trunc(ramp), -160, 240) + 160) * (255 / 400))
    assert np.abs(picture[0].numpy() - wanted).max() <= 1


def test_eight_bit_pictures_stay_as_they_are():
    grey = np.random.default_rng(0).integers(90, 120, (64, 64)).astype(np.uint8)
    assert np.array_equal((seen(picture_view(grey), PLAIN)[1] * 255).round().numpy(), grey)
    colour = np.random.default_rng(0).integers(0, 90, (64, 64, 3)).astype(np.uint8)
    picture = (seen(picture_view(colour, modality="rgb"), PLAIN) * 255).round()
    assert np.array_equal(picture.permute(1, 2, 0).numpy(), colour)


def test_other_pictures_are_clipped_to_percentiles():
    pixels = np.random.default_rng(0).integers(100, 200, (64, 64)).astype(np.uint16)
    pixels[0, 0] = 60000
    picture = seen(picture_view(pixels, modality="mr"), PLAIN)
    assert float(picture[0, 0, 0]) == 1 and float(picture[0].median()) == pytest.approx(0.5, abs=0.05)


def test_minmax_takes_the_pictures_own_ends():
    view = picture_view(np.linspace(0, 100, 64 * 64).reshape(64, 64).astype(np.float32), modality="ct")
    picture = seen(view, MINMAX, Window(50, 20))
    assert (float(picture.min()), float(picture.max())) == (0, 1)
    assert float(picture[0, 31, 63]) == pytest.approx(0.5, abs=0.02)
    grey = picture_view(np.full((64, 64), 9, np.uint8))
    assert not seen(grey, MINMAX).any()


@pytest.mark.parametrize("how", [PLAIN, MINMAX, replace(PLAIN, resample="bicubic")])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_monochrome1_is_seen_as_the_inverted_picture(how, dtype):
    pixels = np.random.default_rng(0).integers(0, 255, (50, 70)).astype(dtype)
    turned = seen(picture_view(pixels, inverted=True), how)
    assert torch.allclose(turned, seen(picture_view((255 - pixels).astype(dtype)), how), atol=0.01)
    windowed = seen(picture_view(pixels, inverted=True), how, Window(100, 80))
    assert torch.allclose(windowed, seen(picture_view((255 - pixels).astype(dtype)), how, Window(155, 80)), atol=0.01)


def test_neighbours_lie_beside_the_slice_and_the_outermost_one_is_repeated():
    voxels = np.zeros((64, 64, 4), np.uint8) + np.arange(0, 200, 50, dtype=np.uint8)
    volume = Volume(Grid((64, 64, 4), np.eye(4)), voxels)
    how = replace(PLAIN, slices=5)
    found = [(seen(SliceView(volume, 2, k), how)[:, 0, 5, 5] * 255).round().tolist() for k in range(4)]
    assert found[0] == [0, 0, 0, 50, 100] and found[3] == [50, 100, 150, 150, 150]
    assert seen(SliceView(volume, 2, 1), how).shape == (5, 3, 64, 64)
