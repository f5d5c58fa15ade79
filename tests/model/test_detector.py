import json

import pytest
import torch
from safetensors.torch import save_file

from napari_segsam.model.boxes import BINS, STRIDES, Cells
from napari_segsam.model.detector import FORMAT, Detector, DetectorHeader, load_detector, save_detector
from napari_segsam.model.zoo.accounts import ModelFileError

HEADER = DetectorHeader(("polyp", "tool"), 64)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Detector(2).eval()


def test_each_cell_says_where_and_what(model):
    with torch.inference_mode():
        bins, scores = model(torch.zeros(2, 3, 64, 96))
    n = len(Cells.of(64, 96).stride)
    assert bins.shape == (2, n, 4, BINS)
    assert scores.shape == (2, n, 2)


class Where(torch.nn.Module):
    """Each cell of a map says where its own middle is: x in channel 0, y in channel 1."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, features):
        _, _, h, w = features.shape
        said = torch.zeros(1, 64, h, w)
        said[0, 0] = ((torch.arange(w) + 0.5) * self.stride).expand(h, w)
        said[0, 1] = ((torch.arange(h) + 0.5) * self.stride).unsqueeze(1).expand(h, w)
        return said


def test_the_head_and_the_decoder_have_cells_sides_and_bins_in_one_order():
    model = Detector(2).eval()
    model.blend = torch.nn.ModuleList(Where(stride) for stride in STRIDES)
    model.where = model.what = torch.nn.Identity()
    for conv in (model.bins, model.scores):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    with torch.inference_mode():
        model.bins.weight[0 * BINS + 5, 0] = 1  # side 0, bin 5: x
        model.bins.weight[3 * BINS + 7, 1] = 1  # side 3, bin 7: y
        model.scores.weight[1, 1] = 1
        bins, scores = model(torch.zeros(1, 3, 64, 96))
    x, y = Cells.of(64, 96).centres.unbind(1)
    assert torch.equal(bins[0, :, 0, 5], x)
    assert torch.equal(bins[0, :, 3, 7], y)
    assert torch.equal(scores[0, :, 1], y)
    assert int((bins[0] != 0).sum()) == 2 * len(x)


def test_at_first_nothing_is_found(model):
    assert len(model.find(torch.rand(3, 64, 64) * 2 - 1)) == 0


def test_a_detector_comes_back_from_its_file_as_it_was(model, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_detector(path, model, HEADER)
    again, header = load_detector(path)
    picture = torch.rand(1, 3, 64, 64)
    assert header == HEADER
    with torch.inference_mode():
        assert torch.equal(again(picture)[1], model(picture)[1])


def test_the_first_blocks_keep_what_they_start_with(model):
    fresh = Detector(1)
    fresh.start_from(model.backbone.state_dict())
    fixed = [n for n, p in fresh.named_parameters() if not p.requires_grad]
    assert fixed
    assert all(n.startswith(("backbone.stem.", "backbone.blocks.")) for n in fixed)
    assert fresh.backbone.blocks[-1].project.weight.requires_grad
    with pytest.raises(ModelFileError, match="lacks"):
        fresh.start_from({})


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({}, "no detector of this program"),
        ({"format": FORMAT, "detector": "["}, "header cannot be read"),
        ({"format": FORMAT, "detector": json.dumps({"names": [], "side": 64})}, "0 classes"),
        ({"format": FORMAT, "detector": json.dumps({"names": ["a"], "side": 50})}, "50 pixels"),
        ({"format": FORMAT, "detector": json.dumps({"names": ["a"], "side": 64})}, "instead of"),
    ],
)
def test_another_file_is_refused_with_a_reason(model, tmp_path, metadata, says):
    path = tmp_path / "other.safetensors"
    save_file(model.state_dict(), path, metadata)
    with pytest.raises(ModelFileError, match=says):
        load_detector(path)


def test_a_damaged_file_is_refused(model, tmp_path):
    path = tmp_path / "torn.safetensors"
    save_detector(path, model, HEADER)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelFileError, match="damaged"):
        load_detector(path)
