import math

import numpy as np
import pytest
import torch

from napari_segsam.core.prompts import Box
from napari_segsam.model.boxes import BINS, Boxes, Cells
from napari_segsam.model.detector import Detector
from napari_segsam.train import detector
from napari_segsam.train.average_precision import map50
from napari_segsam.train.detector import Example, answering, detector_loss, train_detector
from napari_segsam.train.detector_run import nano_backbone

SIDE = 96


def discs(n, seed=0):
    """Pictures with one to three bright discs on noise."""
    rng, (rows, cols) = np.random.default_rng(seed), np.mgrid[:SIDE, :SIDE]
    made = []
    for _ in range(n):
        picture, boxes, used = rng.normal(60, 20, (SIDE, SIDE)), [], np.zeros((SIDE, SIDE), bool)
        for _ in range(rng.integers(1, 4)):
            radius = rng.uniform(6, 16)
            r, c = rng.uniform(radius, SIDE - 1 - radius, 2)
            disc = (rows - r) ** 2 + (cols - c) ** 2 <= radius**2
            if not (disc & used).any():
                used |= disc
                picture[disc] += 90
                boxes.append(Box.around(disc))
        pixels = np.clip(picture, 0, 255).astype(np.uint8)
        made.append(Example.of(pixels, boxes, [0] * len(boxes), SIDE))
    return made


def test_twenty_pictures_of_discs_are_learnt():
    examples = discs(20)
    model = train_detector(examples, 1, steps=60, backbone=nano_backbone())
    assert map50(model, examples, 1) > 0.9
    assert map50(Detector(1).eval(), examples, 1) < 0.1  # discs are not found by chance


def example(boxes, classes=None, side=SIDE):
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Example(torch.zeros(3, side, side), corners, torch.tensor(classes or [0] * len(boxes)))


def test_an_example_is_fitted_to_the_square_with_its_boxes():
    picture = np.zeros((100, 200), np.uint8)
    picture[10:20, 40:80] = 255
    made = Example.of(picture, [Box(10, 40, 19, 79)], [2], 64)
    assert made.picture.shape == (3, 64, 64)
    assert made.corners.tolist() == [pytest.approx([12.8, 3.2, 25.6, 6.4])]
    assert made.classes.tolist() == [2]
    rows, cols = (made.picture[0] > 0.5).nonzero().T
    drawn = [int(n) for n in (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)]
    assert made.corners[0].tolist() == pytest.approx(drawn, abs=0.7)


def test_a_picture_without_a_box_is_an_example_too():
    made = Example.of(np.zeros((10, 10), np.uint8), [], [], 32)
    assert made.corners.shape == (0, 4)
    assert torch.isfinite(detector_loss(Detector(1), [made]))


def test_a_moved_box_stays_on_what_it_shows():
    picture = np.zeros((SIDE, SIDE), np.uint8)
    picture[30:50, 40:64] = 255
    still = Example.of(picture, [Box(30, 40, 49, 63)], [0], SIDE)
    rng, differ = np.random.default_rng(0), set()
    for _ in range(20):
        moved = detector._moved(still, rng)
        rows, cols = (moved.picture[0] > 0.5).nonzero().T
        drawn = torch.tensor([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]).float()
        assert (moved.corners[0] - drawn).abs().max() <= 1.0
        differ.add(tuple(drawn.tolist()))
    assert len(differ) > 15


def test_a_box_that_left_the_picture_is_no_object(monkeypatch):
    monkeypatch.setattr(detector, "_SHIFT", 1.0)
    rng = np.random.default_rng(0)
    left = [len(detector._moved(example([[40, 40, 50, 50]]), rng).corners) for _ in range(20)]
    assert set(left) == {0, 1}


def test_cells_near_the_middle_of_a_box_answer_for_it_on_the_map_of_its_size():
    cells = Cells.of(256, 256)
    boxes = torch.tensor([[10.0, 10, 40, 40], [100, 100, 200, 200], [5, 5, 250, 250]])
    at, which = answering(cells, boxes)
    for box, stride in enumerate((8, 16, 32)):
        mine = at[which == box]
        assert len(mine)
        assert (cells.stride[mine] == stride).all()
        middle = (boxes[box, :2] + boxes[box, 2:]) / 2
        assert ((cells.centres[mine] - middle).abs() < 1.5 * stride).all()


def test_even_a_speck_between_the_cells_has_a_cell_and_of_two_boxes_the_smaller_one():
    cells = Cells.of(64, 64)
    at, which = answering(cells, torch.tensor([[7.0, 7, 8.5, 8.5]]))
    assert which.tolist() == [0]
    at, which = answering(cells, torch.tensor([[10.0, 10, 30, 30], [16, 16, 24, 24]]))
    assert set(which.tolist()) == {0, 1}
    assert len(at) == len(set(at.tolist()))
    assert which[(cells.centres[at] == 20).all(1)].tolist() == [1]


def test_a_distance_between_two_bins_is_learnt_as_their_mixture():
    cells = Cells.of(32, 32)
    one = Cells(cells.centres[:1], cells.stride[:1])
    wanted = torch.tensor([[4 - 2.25 * 8, 4 - 2.25 * 8, 4 + 2.25 * 8, 4 + 2.25 * 8]])
    mixture = torch.zeros(1, 4, BINS)
    mixture[..., 2], mixture[..., 3] = 0.75, 0.25
    best = detector._bins_loss(mixture.clamp(min=1e-9).log(), one, wanted)
    assert float(best) == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), abs=1e-4)
    assert torch.allclose(one.boxes(mixture.clamp(min=1e-9).log()), wanted, atol=1e-3)
    for other in (torch.zeros(1, 4, BINS), mixture.roll(1, -1).clamp(min=1e-9).log()):
        assert detector._bins_loss(other, one, wanted) > best + 0.1


# --- the figure


class Says:
    """A detector by hand."""

    def __init__(self, *answers):
        self.answers = iter(answers)

    def find(self, picture, at):
        corners, scores, classes = zip(*next(self.answers), strict=True)
        return Boxes(torch.tensor(corners).float(), torch.tensor(scores), torch.tensor(classes))


A, B, AWAY = [0.0, 0, 10, 10], [20.0, 20, 30, 30], [50.0, 50, 60, 60]


def test_all_found_and_nothing_else_is_1():
    assert map50(Says([(A, 0.9, 0), (B, 0.8, 0)]), [example([A, B])], 1) == 1


def test_average_precision_is_the_area_under_precision_over_recall():
    # best first: right, wrong, right; two objects: 1/2 x 1 + 1/2 x 2/3
    answer = [(A, 0.9, 0), (AWAY, 0.8, 0), (B, 0.7, 0)]
    assert map50(Says(answer), [example([A, B])], 1) == pytest.approx(0.5 + 1 / 3)


def test_the_same_object_found_twice_is_right_once():
    answer = [(A, 0.9, 0), (A, 0.8, 0), (B, 0.7, 0)]
    assert map50(Says(answer), [example([A, B])], 1) == pytest.approx(0.5 + 1 / 3)


def test_a_box_of_another_class_or_with_too_little_overlap_is_wrong():
    assert map50(Says([(A, 0.9, 1)]), [example([A])], 2) == 0
    assert map50(Says([([0.0, 0, 10, 4.9], 0.9, 0)]), [example([A])], 1) == 0
    assert map50(Says([([0.0, 0, 10, 5.1], 0.9, 0)]), [example([A])], 1) == 1


def test_classes_that_are_nowhere_do_not_count():
    assert map50(Says([(A, 0.9, 0)]), [example([A])], 3) == 1
    assert math.isnan(map50(Says([(A, 0.9, 0)]), [example([])], 1))
