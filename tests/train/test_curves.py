import csv

import numpy as np
import pytest
from PIL import Image

from napari_segsam.train.curves import PANELS, smooth, ticks, write_curves

TERMS = [name for _, names in PANELS for name in names]
BLUE = (0, 114, 178)


def logged(path, columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *columns, "seconds"])
        writer.writerows([step, *row, step * 1.5] for step, row in enumerate(zip(*columns.values(), strict=True)))
    return path


def drawn(tmp_path, columns):
    write_curves(logged(tmp_path / "log.csv", columns), tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        return np.asarray(picture.convert("RGB"))


def heights_of(picture, colour):
    """Mean row of the pixels of this colour in each column of the first panel, below its legend."""
    panel = picture[52 : picture.shape[0] // 2, : picture.shape[1] // 2]
    here = np.abs(panel.astype(int) - colour).sum(-1) < 30
    return [float(np.flatnonzero(column).mean()) for column in here.T if column.any()]


def test_every_term_of_the_log_has_its_line_on_light_paper(tmp_path):
    falling = 5 * np.exp(-np.arange(200) / 60)
    all_terms = drawn(tmp_path, {name: falling * (1 + i) for i, name in enumerate(TERMS)})
    without = drawn(tmp_path, {name: falling * (1 + i) for i, name in enumerate(TERMS[:-1])})
    assert np.median(all_terms) == 255
    assert (all_terms != without).any()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "log.csv"]


def test_a_loss_that_falls_goes_down_from_left_to_right(tmp_path):
    heights = heights_of(drawn(tmp_path, {"total": np.linspace(8, 1, 300)}), BLUE)
    assert len(heights) > 400
    assert heights == sorted(heights)
    assert heights[-1] > heights[0] + 150


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_run_that_has_hardly_begun_has_a_picture_too(tmp_path, n):
    assert drawn(tmp_path, {"total": [1.5] * n, "binary": [0.0] * n}).shape[2] == 3


def test_a_term_that_is_not_finite_is_left_out(tmp_path):
    with_nan = drawn(tmp_path, {"total": [3.0, 2.0], "binary": [1.0, 1.0], "semantic": [1.0, np.inf]})
    assert np.array_equal(with_nan, drawn(tmp_path, {"total": [3.0, 2.0], "binary": [1.0, 1.0]}))


def test_smoothing_keeps_straight_lines_and_calms_noise():
    line = np.linspace(4, 1, 400)
    assert np.allclose(smooth(line)[20:-20], line[20:-20])
    noisy = line + np.random.default_rng(0).normal(0, 0.5, 400)
    assert np.abs(smooth(noisy) - line)[20:-20].mean() < 0.25
    assert smooth(line[:5]).tolist() == pytest.approx(line[:5].tolist())


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (0, 0.7, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]), (0, 4599, range(0, 4001, 1000))],
)
def test_axes_have_round_numbers(low, high, expected):
    assert ticks(low, high) == pytest.approx(list(expected))


def test_a_step_without_anything_to_learn_leaves_the_curve_as_it_goes(tmp_path):
    """The log's cell is blank there; a fall to zero would be no fall of the loss."""
    gap = drawn(tmp_path, {"total": [3.0, 2.0, 2.5], "classes": [1.0, np.nan, 1.0]})
    flat = drawn(tmp_path, {"total": [3.0, 2.0, 2.5], "classes": [1.0, 1.0, 1.0]})
    assert np.array_equal(gap, flat)
