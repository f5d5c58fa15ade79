import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_segsam.core.errors import BadCheckpointError, SegsamError
from napari_segsam.core.prompts import Box
from napari_segsam.engine.zoo.box_proposals import load_finder, propose
from napari_segsam.engine.zoo.onnx_detector import Letterbox, OnnxDetector, decoded, load_onnx_detector
from tests.engine.zoo.onnx_by_hand import detector

NAMES = {"names": "{0: 'polyp', 1: 'tool'}", "task": "detect"}


class ByHand:
    """A session that answers the same to every picture and remembers it."""

    def __init__(self, answer, said=NAMES, shape=(1, 3, 64, 64), kind="tensor(float)"):
        self.answer, self.said, self.seen = answer, said, []
        self.inputs = [SimpleNamespace(name="images", shape=list(shape), type=kind)]

    def get_inputs(self):
        return self.inputs

    def get_modelmeta(self):
        return SimpleNamespace(custom_metadata_map=self.said)

    def run(self, output_names, input_feed):
        self.seen.append(input_feed["images"])
        return [self.answer]


def raw(*boxes, cells=84):
    """(x, y, w, h, class, score) each -> (1, 6, cells) as YOLOv8 to 11 are exported."""
    answer = np.zeros((1, 6, cells), np.float32)
    for i, (x, y, w, h, k, score) in enumerate(boxes):
        answer[0, :4, i], answer[0, 4 + k, i] = (x, y, w, h), score
    return answer


def chosen(*boxes):
    """(x0, y0, x1, y1, score, class) each -> (1, 300, 6) as end-to-end models are exported."""
    answer = np.zeros((1, 300, 6), np.float32)
    answer[0, : len(boxes)] = boxes
    return answer


@pytest.mark.parametrize(
    "answer",
    [raw((20, 30, 10, 8, 1, 0.9), (20, 30, 10, 9, 1, 0.5)), chosen((15, 26, 25, 34, 0.9, 1), (0, 0, 1, 1, 0.1, 0))],
)
def test_both_forms_of_export_give_the_same_box(answer):
    found = decoded(torch.from_numpy(answer), 2, 0.25)
    assert found.corners.tolist() == [[15, 26, 25, 34]]
    assert found.scores.tolist() == pytest.approx([0.9])
    assert found.classes.tolist() == [1]


@pytest.mark.parametrize("shape", [(1, 7, 84), (2, 6, 84), (1, 84), (1, 300, 38)])
def test_another_answer_is_refused_by_its_shape(shape):
    with pytest.raises(BadCheckpointError, match=r"\(1, 6, n\)"):
        decoded(torch.zeros(shape), 2, 0.25)


def test_a_class_that_has_no_name_is_refused():
    with pytest.raises(BadCheckpointError, match="none of its 2"):
        decoded(torch.from_numpy(chosen((0, 0, 5, 5, 0.9, 2))), 2, 0.25)


@pytest.mark.parametrize("shape", [(64, 64), (32, 64), (100, 40), (17, 33), (300, 512), (1, 200)])
def test_a_box_finds_its_way_back_from_the_letterbox(shape):
    letterbox = Letterbox.of(shape, (64, 64))
    fitted = letterbox.fit(np.full(shape, 255, np.uint8))
    assert fitted.shape == (1, 3, 64, 64)
    rows, cols = (fitted[0, 0] == 1).nonzero().T
    drawn = letterbox.back(torch.tensor([[cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]]).float())
    assert torch.allclose(drawn, torch.tensor([[0.0, 0.0, shape[1], shape[0]]]), atol=1e-3)


def test_a_bright_square_is_where_its_box_says():
    picture = np.zeros((50, 100, 3), np.uint8)
    picture[10:20, 40:70] = 255
    letterbox = Letterbox.of((50, 100), (640, 640))
    seen = letterbox.fit(picture)[0, 0]
    rows, cols = torch.nonzero((seen > 0.5) & (seen != seen[0, 0])).T
    corners = torch.tensor([[cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]]).float()
    assert torch.allclose(letterbox.back(corners), torch.tensor([[40.0, 10.0, 70.0, 20.0]]), atol=0.5)
    assert seen[0, 0] == pytest.approx(114 / 255)


def test_a_picture_is_shown_in_0_to_1_and_its_boxes_come_back_in_its_own_pixels():
    session = ByHand(raw((32, 32, 20, 10, 0, 0.8)))
    (proposal,) = propose(OnnxDetector(session), np.full((128, 256), 51, np.uint8))
    assert proposal.name == "polyp"
    assert proposal.score == pytest.approx(0.8)
    assert proposal.box == Box(44, 88, 83, 167)  # 4 times as large, 16 rows of padding above
    (seen,) = session.seen
    assert seen.dtype == np.float32
    assert np.allclose(seen[0, :, 32, 32], 0.2)


def test_a_box_that_reaches_outside_is_cut_and_one_outside_is_left_out():
    session = ByHand(raw((0, 32, 20, 10, 0, 0.8), (-30, 32, 20, 10, 0, 0.8)))
    proposals = propose(OnnxDetector(session), np.zeros((64, 64, 3), np.uint8))
    assert [p.box for p in proposals] == [Box(27, 0, 36, 9)]


@pytest.mark.parametrize("quote", ["", "'"])
def test_classes_come_in_the_order_of_their_numbers_and_not_of_their_digits(quote):
    names = ", ".join(f"{quote}{k}{quote}: 'thing {k}'" for k in (0, 10, *range(1, 10)))
    answer = np.zeros((1, 4 + 11, 84), np.float32)
    answer[0, :4, 0], answer[0, 4 + 10, 0] = (32, 32, 20, 10), 0.8
    (proposal,) = propose(OnnxDetector(ByHand(answer, NAMES | {"names": f"{{{names}}}"})), np.zeros((64, 64), np.uint8))
    assert proposal.name == "thing_10"


def test_classes_of_any_script_keep_their_names_and_none_is_merged():
    names = ["печень", "селезёнка", "Lésion", "肝", "Polyp (large)", "polyp-LARGE", "?", "class 5", "यकृत"]
    found = OnnxDetector(ByHand(raw(), NAMES | {"names": str(names)})).names
    assert found[:5] == ("печень", "селезёнка", "lésion", "肝", "polyp_large")
    assert found[5:] == ("class_5", "class_6", "class_7", "यकृत")


def test_a_model_for_any_size_is_shown_what_it_was_exported_with():
    for said, side in ((NAMES, 640), (NAMES | {"imgsz": "[320, 320]"}, 320)):
        session = ByHand(raw(), said, ("batch", 3, "height", "width"))
        propose(OnnxDetector(session), np.zeros((10, 10), np.uint8))
        assert session.seen[0].shape == (1, 3, side, side)


@pytest.mark.parametrize(
    ("session", "says"),
    [
        (ByHand(raw(), {"names": "{0: 'a'}", "task": "segment"}), "'segment'"),
        (ByHand(raw(), {}), "names of its classes"),
        (ByHand(raw(), {"names": "__import__('os').getcwd()"}), "names of its classes"),
        (ByHand(raw(), {"names": "{}"}), "no classes"),
        (ByHand(raw(), {"names": "{0: 'a', 2: 'c'}"}), "of its 2 classes none has the number 1"),
        (ByHand(raw(), {"names": "{1: 'a', 2: 'c'}"}), "none has the number 0"),
        (ByHand(raw(), {"names": "{0: 'a', '0': 'b'}"}), "none has the number 1"),
        (ByHand(raw(), {"names": "{0.5: 'a'}"}), "names of its classes"),
        (ByHand(raw(), {"names": f"[{'1,' * 60_000}]"}), "names of its classes"),  # longer than any list of classes
        (ByHand(raw(), shape=(1, 1, 64, 64)), "three colours"),
        (ByHand(raw(), shape=(4, 3, 64, 64)), "one picture"),
        (ByHand(raw(), kind="tensor(float16)"), "32-bit"),
        (ByHand(raw(), NAMES | {"imgsz": "[9, 100000]"}, (1, 3, "h", "w")), "9 x 100000"),
    ],
)
def test_a_model_that_is_no_such_detector_is_refused_with_a_reason(session, says):
    with pytest.raises(ValueError, match=says):
        OnnxDetector(session)


# --- through onnxruntime


def test_an_exported_file_is_read_and_run(tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra is not installed")
    path = tmp_path / "polyps.onnx"
    path.write_bytes(detector(raw((32, 32, 20, 10, 1, 0.75)), NAMES))
    (proposal,) = propose(load_finder(path), np.zeros((64, 64), np.uint8))
    assert (proposal.name, proposal.box) == ("tool", Box(27, 22, 36, 41))


@pytest.mark.parametrize("content", [b"", b"no model", detector(raw(), {})])
def test_a_file_that_is_no_detector_is_one_sentence(tmp_path, content):
    pytest.importorskip("onnxruntime", reason="the extra is not installed")
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    with pytest.raises(BadCheckpointError, match=r"^other\.onnx is no detector .*export a YOLO") as caught:
        load_onnx_detector(path)
    assert "\n" not in str(caught.value)


def test_without_onnxruntime_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = tmp_path / "polyps.onnx"
    path.write_bytes(b"")
    with pytest.raises(SegsamError, match="pip install onnxruntime"):
        load_onnx_detector(path)
