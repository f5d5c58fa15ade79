import numpy as np
import pytest
from PIL import Image

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.train.data.pictures import picture_bytes, read_mask, read_picture

SHAPE = (20, 30)


def written(path, pixels, mode=None):
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path)
    return path


COLOUR = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_pictures_in_colour_are_rgb(tmp_path, mode):
    picture = read_picture(written(tmp_path / "a.png", COLOUR, mode))
    assert (picture.shape, picture.dtype) == ((*SHAPE, 3), np.uint8)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGB", "RGBA"])
def test_pictures_without_a_colour_are_grey_however_they_were_saved(tmp_path, mode):
    grey = COLOUR[..., 0] if mode != "1" else np.full(SHAPE, 255, np.uint8)
    picture = read_picture(written(tmp_path / "a.png", grey, mode))
    assert np.array_equal(picture, grey) and picture.dtype == np.uint8


def test_one_coloured_pixel_makes_a_picture_coloured(tmp_path):
    pixels = np.full((*SHAPE, 3), 90, np.uint8)
    pixels[4, 5, 2] = 91
    assert np.array_equal(read_picture(written(tmp_path / "a.png", pixels)), pixels)


def test_opacity_is_dropped(tmp_path):
    pixels = np.dstack([COLOUR, np.zeros(SHAPE, np.uint8)])
    assert np.array_equal(read_picture(written(tmp_path / "a.png", pixels)), COLOUR)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_a_picture_of_one_row_or_column_is_refused(tmp_path, shape):
    with pytest.raises(UnreadableInputError, match=r"a\.png: a picture of one row or column"):
        read_picture(written(tmp_path / "a.png", np.full(shape, 9, np.uint8)))


def test_eight_bit_pictures_come_as_they_are(tmp_path):
    assert np.array_equal(read_picture(written(tmp_path / "a.png", COLOUR)), COLOUR)
    assert np.array_equal(read_picture(written(tmp_path / "b.png", COLOUR[..., 0])), COLOUR[..., 0])


def test_sixteen_bit_pictures_keep_their_contrast(tmp_path):
    deep = np.linspace(0, 4000, 600).reshape(SHAPE).astype(np.uint16)
    picture = read_picture(written(tmp_path / "a.png", deep))
    assert (picture.min(), picture.max(), len(np.unique(picture))) == (0, 255, 256)


@pytest.mark.parametrize("foreground", [True, np.uint8(1), np.uint8(255), np.uint16(1), np.uint16(256)])
def test_every_pixel_of_a_mask_that_is_not_black_belongs_to_it(tmp_path, foreground):
    truth = np.zeros(SHAPE, bool)
    truth[3:9, 4:20] = True
    mask = truth.astype(foreground.dtype) * foreground if isinstance(foreground, np.generic) else truth
    assert np.array_equal(read_mask(written(tmp_path / "m.png", mask)), truth)


def test_a_mask_in_colour_is_a_mask(tmp_path):
    mask = np.zeros((*SHAPE, 3), np.uint8)
    mask[3:9, 4:20] = (0, 255, 0)
    assert np.array_equal(read_mask(written(tmp_path / "m.png", mask)), mask.any(-1))


@pytest.mark.parametrize("read", [read_picture, read_mask])
def test_damaged_files_are_refused_by_name(tmp_path, read):
    path = written(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8))
    path.write_bytes(path.read_bytes()[:200])
    (tmp_path / "b.png").write_bytes(b"no picture at all")
    for name in ("a.png", "b.png", "none.png"):
        with pytest.raises(UnreadableInputError, match=name):
            read(tmp_path / name)


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path / "a.png", np.zeros(SHAPE, np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadableInputError, match="DecompressionBomb"):
        read_picture(path)
    assert picture_bytes(path, 1) == 0


def test_a_mask_with_a_palette_is_read_by_its_indices(tmp_path):
    truth = np.zeros(SHAPE, np.uint8)
    truth[3:9, 4:20] = 1
    image = Image.fromarray(truth).convert("P")
    image.putpalette([0, 0, 0, 0, 0, 0])  # the object is painted black as well
    image.save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png"), truth > 0)


def test_published_masks_of_everything_but_the_object_are_turned_round(tmp_path):
    mask = np.ones(SHAPE, bool)
    mask[3:9, 4:20] = False
    name = "fundus_photography--{}--1--2d_none--0000_000.png"
    assert np.array_equal(read_mask(written(tmp_path / name.format("ichallenge_adam_task2"), mask)), ~mask)
    assert np.array_equal(read_mask(written(tmp_path / name.format("PALM19"), mask)), mask)


def test_a_published_picture_that_is_a_mask_is_refused(tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:9] = 255
    with pytest.raises(UnreadableInputError, match="is a mask itself"):
        read_picture(written(tmp_path / "mr_00--Brain_PTM--1--z_0001.png", mask))
    mask[0, 0] = 7
    assert read_picture(written(tmp_path / "mr_00--Brain_PTM--1--z_0002.png", mask)).shape == SHAPE


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1), ("1", 1)])
def test_the_header_says_how_much_memory_a_picture_takes(tmp_path, mode, channels):
    path = written(tmp_path / "a.png", COLOUR, mode)
    assert picture_bytes(path, 4) == 600 * channels + 4 * 600 // 8
    assert read_picture(path).nbytes == 600 * channels
    assert picture_bytes(tmp_path / "none.png", 4) == 0
