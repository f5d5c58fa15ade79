import numpy as np
import pytest

from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box
from napari_segsam.train.evaluation import baselines


def disk(shape=(60, 80), centre=(30, 40), radius=15):
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2


@pytest.mark.parametrize("name", ["ellipse", "grabcut", "randomwalker"])
def test_every_baseline_finds_a_bright_disk_in_its_box(name):
    truth = disk()
    noise = np.random.default_rng(0).integers(0, 30, truth.shape)
    pixels = (np.where(truth, 200, 40) + noise).astype(np.uint8)
    mask = baselines.baseline(name)(pixels, Box.around(truth))
    assert dice(mask, truth) > 0.95
    rgb = np.repeat(pixels[..., None], 3, axis=2)
    assert dice(baselines.baseline(name)(rgb, Box.around(truth)), truth) > 0.95


@pytest.mark.parametrize("name", ["ellipse", "grabcut", "randomwalker"])
@pytest.mark.parametrize("box", [Box(0, 0, 19, 29), Box(5, 5, 5, 5), Box(0, 0, 0, 29), Box(18, 28, 19, 29)])
def test_every_baseline_answers_every_box(name, box):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    mask = baselines.baseline(name)(pixels, box)
    assert mask.shape == (20, 30)
    assert mask.dtype == bool
    outside = np.ones((20, 30), bool)
    outside[int(box.row_min) : int(box.row_max) + 1, int(box.col_min) : int(box.col_max) + 1] = False
    assert not (mask & outside).any()


def test_the_ellipse_touches_its_box():
    box = Box(10, 20, 30, 60)
    assert Box.around(baselines.ellipse(np.zeros((80, 80), np.uint8), box)) == box


def test_without_opencv_the_line_that_installs_it_is_said(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest, **keywords):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *rest, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Exception, match="pip install opencv-python-headless"):
        baselines.grabcut(np.zeros((5, 5), np.uint8), Box(1, 1, 3, 3))
