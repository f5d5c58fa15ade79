import pytest
import torch

from napari_segsam.model.boxes import BINS, STRIDES, Cells, best_boxes

SIDE = 64


def sure_of(steps):
    """(A, 4) distances in cells -> (A, 4, BINS) logits that are certain of them; between two bins as their mixture."""
    lower = steps.long().clamp(max=BINS - 2)
    share = (steps - lower).unsqueeze(-1)
    probability = torch.zeros(*steps.shape, BINS).scatter(-1, lower.unsqueeze(-1), 1 - share)
    return probability.scatter(-1, lower.unsqueeze(-1) + 1, share).clamp(min=1e-30).log()


def test_cells_are_those_of_all_maps_finest_first_row_by_row():
    cells = Cells.of(SIDE, SIDE)
    assert len(cells.centres) == 8 * 8 + 4 * 4 + 2 * 2
    assert cells.centres[0].tolist() == [4, 4]
    assert cells.centres[1].tolist() == [12, 4]  # x first
    assert cells.centres[64].tolist() == [8, 8]
    assert cells.centres[-1].tolist() == [48, 48]
    assert cells.stride.unique().tolist() == sorted(STRIDES)


def test_a_640_pixel_square_has_the_8400_cells_of_yolo():
    assert len(Cells.of(640, 640).stride) == 8400


def test_boxes_are_the_expected_distances_times_the_stride_round_the_centre():
    cells = Cells.of(SIDE, SIDE)
    steps = torch.rand(len(cells.stride), 4, generator=torch.Generator().manual_seed(0)) * 15
    left, up, right, down = (steps * cells.stride[:, None]).unbind(1)
    x, y = cells.centres.unbind(1)
    expected = torch.stack([x - left, y - up, x + right, y + down], 1)
    assert torch.allclose(cells.boxes(sure_of(steps)), expected, atol=1e-3)


def test_a_head_that_knows_nothing_expects_the_middle_of_its_bins():
    cells = Cells.of(32, 32)
    boxes = cells.boxes(torch.zeros(1, len(cells.stride), 4, BINS))[0]
    assert torch.allclose(boxes[0], torch.tensor([4 - 60.0, 4 - 60.0, 4 + 60.0, 4 + 60.0]))
    assert torch.allclose(boxes[-1, 2:], cells.centres[-1] + 7.5 * 32)


def test_the_whole_head_equals_its_closed_form():
    """Two objects seen by three cells each and one by none: decode and suppression as one would do them by hand."""
    cells = Cells.of(SIDE, SIDE)
    truth = {10: (0, [1.0, 1.5, 2.0, 1.0]), 40: (1, [0.5, 0.5, 0.5, 0.5]), 70: (0, [1.0, 1.0, 1.0, 1.0])}
    steps, logits = torch.full((len(cells.stride), 4), 3.0), torch.full((len(cells.stride), 2), -8.0)
    for place, (cell, (k, far)) in enumerate(truth.items()):
        steps[cell], logits[cell, k] = torch.tensor(far), 2.0 - place
    steps[11] = torch.tensor([2.0, 1.5, 1.0, 1.0])  # the same box as cell 10's, one cell further
    logits[11, 0] = 1.5
    found = best_boxes(cells.boxes(sure_of(steps)), logits.sigmoid())
    assert found.classes.tolist() == [0, 1, 0]
    assert found.scores.tolist() == pytest.approx(torch.tensor([2.0, 1.0, 0.0]).sigmoid().tolist())
    for row, (cell, (_, far)) in enumerate(truth.items()):
        (x, y), s = cells.centres[cell].tolist(), float(cells.stride[cell])
        assert found.corners[row].tolist() == pytest.approx(
            [x - far[0] * s, y - far[1] * s, x + far[2] * s, y + far[3] * s], abs=1e-3
        )


def test_of_boxes_of_one_class_that_overlap_the_best_stays_and_other_classes_do_not_matter():
    corners = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30]], dtype=torch.float32)
    scores = torch.tensor([[0.6, 0.0], [0.9, 0.0], [0.0, 0.5], [0.3, 0.2]])
    found = best_boxes(corners, scores)
    assert found.scores.tolist() == pytest.approx([0.9, 0.5, 0.3])
    assert found.classes.tolist() == [0, 1, 0]
    assert len(best_boxes(corners, scores, overlap=0.95)) == 4  # nine tenths is not so much
    assert len(best_boxes(corners, scores, most=2)) == 2


def test_no_box_with_a_lower_score_than_asked():
    corners = torch.tensor([[0, 0, 10, 10], [20, 20, 30, 30]], dtype=torch.float32)
    assert len(best_boxes(corners, torch.tensor([[0.25], [0.24]]))) == 1
    assert len(best_boxes(corners, torch.tensor([[0.25], [0.24]]), at=0.5)) == 0
