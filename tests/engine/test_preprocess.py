import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.volume import Window
from napari_segsam.engine.preprocess import BONE, LUNG, SOFT_TISSUE, PictureFrame, choose_window, make_picture
from tests.tiny import picture_view

sizes = st.integers(1, 300)
spacings = st.floats(0.2, 6)


@st.composite
def frames(draw):
    rows, cols, row_mm, col_mm = draw(sizes), draw(sizes), draw(spacings), draw(spacings)
    return PictureFrame.of(picture_view(np.zeros((rows, cols), np.uint8), (row_mm, col_mm)))


def picture_of(pixels, window=None, spacing=(1.0, 1.0), **volume):
    view = picture_view(pixels, spacing, **volume)
    return make_picture(view, window, PictureFrame.of(view))


# --- slice pixels and picture pixels


@pytest.mark.parametrize(
    ("shape", "spacing", "picture"),
    [
        ((40, 60), (1, 1), (40, 60)),
        ((40, 60), (3, 1), (120, 60)),
        ((40, 60), (0.5, 2), (40, 240)),
        ((2000, 3000), (1, 1), (1024, 1536)),
        ((100, 1000), (10, 1), (1000, 1000)),
    ],
)
def test_a_picture_has_square_pixels_as_fine_as_the_finer_spacing(shape, spacing, picture):
    frame = PictureFrame.of(picture_view(np.zeros(shape, np.uint8), spacing))
    assert (frame.height, frame.width) == picture


@given(frames(), st.floats(0, 1), st.floats(0, 1))
def test_a_click_comes_back_from_the_picture_to_the_same_place(frame, down, across):
    click = Click(down * frame.rows - 0.5, across * frame.cols - 0.5, False)
    there = frame.click(click)
    assert -0.5 - 1e-6 <= there.row <= frame.height - 0.5 + 1e-6
    assert -0.5 - 1e-6 <= there.col <= frame.width - 0.5 + 1e-6
    fr, fc = frame.scale
    assert (there.row + 0.5) / fr - 0.5 == pytest.approx(click.row, abs=1e-6)
    assert (there.col + 0.5) / fc - 0.5 == pytest.approx(click.col, abs=1e-6)
    assert there.positive is False


@given(frames(), st.data())
def test_a_boxs_area_is_the_same_part_of_the_picture(frame, data):
    r0, c0 = data.draw(st.integers(0, frame.rows - 1)), data.draw(st.integers(0, frame.cols - 1))
    r1, c1 = data.draw(st.integers(r0, frame.rows - 1)), data.draw(st.integers(c0, frame.cols - 1))
    box = frame.box(Box(r0, c0, r1, c1))
    share = (box.row_max - box.row_min + 1) / frame.height, (box.col_max - box.col_min + 1) / frame.width
    assert share == pytest.approx(((r1 - r0 + 1) / frame.rows, (c1 - c0 + 1) / frame.cols))
    assert (box.row_min / frame.height, box.col_min / frame.width) == pytest.approx((r0 / frame.rows, c0 / frame.cols))


@given(frames(), st.data())
def test_a_mask_comes_back_within_half_a_source_pixel(frame, data):
    """What a picture shows of a block of pixels is, back on the slice, that block.

    Only where the picture is as fine as the slice: one that is cut to the largest size holds fewer rows or columns.
    """
    assume(min(frame.rows, frame.cols) >= 8 and frame.height >= frame.rows and frame.width >= frame.cols)
    r0, c0 = data.draw(st.integers(0, frame.rows - 6)), data.draw(st.integers(0, frame.cols - 6))
    mask = np.zeros((frame.rows, frame.cols), bool)
    mask[r0 : r0 + 5, c0 : c0 + 5] = True
    back = frame.back(frame.mask(mask) - 0.5)[0].numpy() > 0
    assert back[r0 + 1 : r0 + 4, c0 + 1 : c0 + 4].all()
    inner = back[r0 + 1 : r0 + 4].any(0), back[:, c0 + 1 : c0 + 4].any(1)
    assert np.flatnonzero(inner[0]).tolist() == list(range(c0, c0 + 5))
    assert np.flatnonzero(inner[1]).tolist() == list(range(r0, r0 + 5))


# --- intensities


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_any_kind_of_number_becomes_the_same_picture(dtype):
    pixels = np.arange(12).reshape(3, 4)
    picture = picture_of(pixels.astype(dtype))
    assert (picture.shape, picture.dtype) == ((1, 3, 4), torch.float32)
    assert np.array_equal(picture[0].numpy(), pixels)


def test_the_window_clips_and_does_not_scale():
    picture = picture_of(np.array([[-1000, 0, 500]], np.int16), Window(40, 400))
    assert picture[0].tolist() == [[-160, 0, 240]]


def test_monochrome1_is_turned_light_to_dark_after_the_window():
    pixels = np.array([[0, 100, 4000]], np.uint16)
    assert picture_of(pixels, Window(500, 1000), inverted=True)[0].tolist() == [[0, -100, -1000]]


def test_colours_stay_three_channels():
    pixels = np.random.default_rng(0).integers(0, 255, (3, 4, 3), np.uint8)
    assert np.array_equal(picture_of(pixels, SOFT_TISSUE).permute(1, 2, 0).numpy(), pixels)


def test_padding_takes_the_lowest_scanned_intensity():
    pixels = np.array([[-2000, -1000, 50]], np.int16)
    assert picture_of(pixels, padding=-2000.0)[0].tolist() == [[-1000, -1000, 50]]
    assert picture_of(pixels)[0].tolist() == [[-2000, -1000, 50]]
    assert picture_of(np.full((1, 3), -2000, np.int16), padding=-2000.0)[0].tolist() == [[-2000] * 3]


def test_padding_of_monochrome1_looks_dark_too():
    pixels = np.array([[0, 100, 4000]], np.uint16)
    assert picture_of(pixels, padding=0.0, inverted=True)[0].tolist() == [[-4000, -100, -4000]]


def test_a_scan_that_may_not_be_written_is_read_and_left_alone():
    pixels = np.ascontiguousarray(np.random.default_rng(0).random((5, 4), np.float32))
    view = picture_view(pixels)
    view.volume.voxels.setflags(write=False)
    picture = make_picture(view, None, PictureFrame.of(view))
    picture += 1
    assert float(view.pixels.max()) <= 1


# --- which CT window


def ct(value=40, **places):
    """A CT of one intensity with a patch of air or bone where a test wants it."""
    pixels = np.full((40, 40), value, np.int16)
    for name, (rows, cols) in places.items():
        pixels[rows, cols] = {"lung": -800, "bone": 900, "padding": -2000}[name]
    return picture_view(pixels, modality="ct", padding=-2000.0)


HERE = (slice(10, 20), slice(10, 20))
BOX = Prompts(box=Box(10, 10, 19, 19))
CLICK = Prompts((Click(15, 15),))


@pytest.mark.parametrize("prompts", [BOX, CLICK])
def test_the_prompted_region_chooses_the_window(prompts):
    assert choose_window(ct(), prompts, None) == SOFT_TISSUE
    assert choose_window(ct(lung=HERE), prompts, None) == LUNG
    assert choose_window(ct(bone=HERE), prompts, None) == BONE


def test_what_lies_elsewhere_does_not_choose():
    elsewhere = Prompts((Click(30, 30), Click(15, 15, False)))
    assert choose_window(ct(lung=HERE), elsewhere, None) == SOFT_TISSUE
    assert choose_window(ct(bone=HERE), None, None) == SOFT_TISSUE


def test_only_a_boxs_inner_part_chooses():
    """The corners of a box round a round organ show what lies behind it."""
    rim = ct(lung=(slice(10, 30), slice(10, 30)))
    rim.volume.voxels[13:27, 13:27] = 40
    assert choose_window(rim, Prompts(box=Box(10, 10, 29, 29)), None) == SOFT_TISSUE


def test_a_part_of_bone_is_enough():
    assert choose_window(ct(bone=(slice(10, 12), slice(10, 20))), BOX, None) == SOFT_TISSUE
    assert choose_window(ct(bone=(slice(10, 15), slice(10, 20))), BOX, None) == BONE


def test_padding_does_not_look_like_lung():
    assert choose_window(ct(padding=(slice(10, 16), slice(10, 20))), BOX, None) == SOFT_TISSUE
    assert choose_window(ct(padding=HERE), CLICK, None) == SOFT_TISSUE


def test_a_window_that_was_asked_for_wins():
    mine = Window(1, 2, "mine")
    assert choose_window(ct(lung=HERE), BOX, mine) == mine
    assert choose_window(picture_view(np.zeros((9, 9), np.uint8), modality="mr"), CLICK, mine) == mine


@pytest.mark.parametrize("modality", ["mr", "us", "xray", "unknown"])
def test_other_scans_are_seen_between_their_percentiles(modality):
    view = picture_view(np.full((40, 40), -800, np.int16), modality=modality)
    assert choose_window(view, CLICK, None) is None


@pytest.mark.parametrize("at", [(0, 0), (39, 39), (-0.5, 39.4)])
def test_a_click_on_the_slices_edge_has_a_region(at):
    assert choose_window(ct(-800), Prompts((Click(*at),)), None) == LUNG
