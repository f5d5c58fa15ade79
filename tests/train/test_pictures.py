import numpy as np
import pytest
from PIL import Image

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.train.pictures import read_mask, read_picture

SHAPE = (20, 30)


def written(path, pixels, mode=None):
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path)
    return path


@pytest.mark.parametrize(("mode", "shape"), [("RGB", (*SHAPE, 3)), ("P", (*SHAPE, 3)), ("L", SHAPE), ("1", SHAPE)])
def test_pictures_are_grey_or_rgb(tmp_path, mode, shape):
    picture = read_picture(written(tmp_path / "a.png", np.full(SHAPE, 200, np.uint8), mode))
    assert (picture.shape, picture.dtype) == (shape, np.uint8)


def test_eight_bit_pictures_come_as_they_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
    assert np.array_equal(read_picture(written(tmp_path / "a.png", pixels)), pixels)
    assert np.array_equal(read_picture(written(tmp_path / "b.png", pixels[..., 0])), pixels[..., 0])


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
