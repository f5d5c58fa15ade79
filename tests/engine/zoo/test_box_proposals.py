import runpy
import sys

import numpy as np
import pytest
import torch

from napari_segsam.core.errors import BadCheckpointError
from napari_segsam.core.prompts import Box
from napari_segsam.engine.zoo import box_proposals, onnx_detector
from napari_segsam.engine.zoo.box_proposals import OwnFinder, load_finder, propose
from napari_segsam.model.boxes import Boxes
from napari_segsam.model.detector import Detector, DetectorHeader, save_detector


class OneBox:
    """A detector by hand that sees one box on every square."""

    def __init__(self, corners):
        self.corners, self.squares = torch.tensor([corners]), []

    def find(self, square, at):
        self.squares.append(square)
        return Boxes(self.corners, torch.tensor([0.5]), torch.tensor([1]))


@pytest.mark.parametrize("shape", [(64, 32), (200, 300, 3), (17, 31)])
def test_a_box_on_the_square_comes_back_in_the_pictures_pixels(shape):
    scale = 64 / max(shape[:2])
    truth = Box(0.25 * shape[0], 0.25 * shape[1], 0.5 * shape[0] - 1, 0.75 * shape[1] - 1)
    edges = [truth.col_min, truth.row_min, truth.col_max + 1, truth.row_max + 1]
    model = OneBox([e * scale for e in edges])
    picture = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    (proposal,) = propose(OwnFinder(model, DetectorHeader(("polyp", "tool"), 64)), picture)
    assert model.squares[0].shape == (3, 64, 64)
    assert proposal.name == "tool"
    found = [proposal.box.row_min, proposal.box.col_min, proposal.box.row_max, proposal.box.col_max]
    assert found == pytest.approx([truth.row_min, truth.col_min, truth.row_max, truth.col_max], abs=1e-3)


def test_a_detectors_own_file_is_loaded_by_its_path(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_detector(path, Detector(1), DetectorHeader(("polyp",), 64))
    finder = load_finder(path)
    assert finder.names == ("polyp",)
    assert propose(finder, np.zeros((40, 50), np.uint8)) == ()


@pytest.mark.parametrize(
    ("name", "says"),
    [("best.pt", r"yolo export model=best\.pt format=onnx"), ("other.safetensors", "export yours as .onnx")],
)
def test_a_file_that_cannot_be_used_says_what_to_do(tmp_path, name, says):
    path = tmp_path / name
    path.write_bytes(b"nothing")
    with pytest.raises(BadCheckpointError, match=says):
        load_finder(path)


@pytest.mark.parametrize("module", [onnx_detector, box_proposals])
def test_neither_ultralytics_nor_onnxruntime_is_needed_to_begin(module, monkeypatch):
    for name in ("ultralytics", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    assert runpy.run_path(module.__file__)
