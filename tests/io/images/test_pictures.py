"""Pictures: upright, one millimetre a pixel, refused where damaged."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.slices import SliceView
from napari_segsam.io.images.pictures import read_picture


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_picture_is_shown_as_it_is(tmp_path: Path, suffix: str) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (6, 9, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / f"a{suffix}")
    volume = read_picture(tmp_path / f"a{suffix}")
    assert volume.grid.shape == (9, 6, 1) and volume.modality == "rgb"
    assert np.array_equal(SliceView(volume, 2, 0).pixels, colours)


def test_grey_in_eight_and_sixteen_bits(tmp_path: Path) -> None:
    for kind in (np.uint8, np.uint16):
        grey = np.arange(54).reshape(6, 9).astype(kind) * 4
        Image.fromarray(grey).save(tmp_path / "a.png")
        volume = read_picture(tmp_path / "a.png")
        assert volume.modality == "unknown"
        assert np.array_equal(SliceView(volume, 2, 0).pixels, grey)


def test_a_cut_or_foreign_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)).save(path)
    whole = path.read_bytes()
    for length in (0, 1, 8, 30, 60, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableInputError, match=r"a\.png"):
            read_picture(path)


def test_several_pages_are_refused(tmp_path: Path) -> None:
    pages = [Image.new("L", (4, 4)) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(UnreadableInputError, match="several pages"):
        read_picture(tmp_path / "a.tif")


def test_real_pictures(shared_data: Path) -> None:
    assert read_picture(shared_data / "us/monai/femur_input.png").grid.shape[2] == 1
    polyp = read_picture(next((shared_data / "rgb/kvasir/images").glob("*.jpg")))
    assert polyp.is_rgb and polyp.voxels.dtype == np.uint8
