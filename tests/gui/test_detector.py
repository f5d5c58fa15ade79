"""Boxes of a detector in the window: its file chosen, its boxes proposed, outlined, accepted and rejected by hand."""

from threading import Event

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_segsam.core.terminology import spoken
from napari_segsam.core.volume import Window
from napari_segsam.engine.zoo.onnx_detector import Letterbox
from napari_segsam.gui import detector_panel
from napari_segsam.gui.prompt_layers import BOXES, PREVIEW
from napari_segsam.io.last_detector import last_detector, remember_detector
from napari_segsam.model.detector import Detector, DetectorHeader, save_detector
from tests.engine.zoo.onnx_by_hand import detector
from tests.fakes import SilentPredictor, block_volume

SHAPE, SIDE = (40, 48), 64
ON_LIVER, ON_SPLEEN = (1, 1, 24, 20), (26, 1, 47, 20)
"""Edges x0, y0, x1, y1 on a slice k of the blocks."""
ON = (10, 8, 5)


def onnx(path, *found, names="{0: 'Left Polyp', 1: 'spleen'}"):
    """A detector that finds (edges, class, score) on every slice."""
    fitted, answer = Letterbox.of(SHAPE, (SIDE, SIDE)), np.zeros((1, 6, len(found)), np.float32)
    for n, (edges, k, score) in enumerate(found):
        scale = np.array([fitted.inside[1] / SHAPE[1], fitted.inside[0] / SHAPE[0]] * 2)
        x0, y0, x1, y1 = np.array(edges) * scale + [*fitted.corner, *fitted.corner]
        answer[0, :4, n] = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
        answer[0, 4 + k, n] = score
    path.write_bytes(detector(answer, {"task": "detect", "names": names}, (SIDE, SIDE)))
    return path


@pytest.fixture
def polyps(tmp_path):
    return onnx(tmp_path / "polyps.onnx", (ON_LIVER, 0, 0.9), (ON_SPLEEN, 0, 0.4), (ON_SPLEEN, 1, 0.1))


@pytest.fixture
def looking(ready):
    ready.look_at(ready.layers[0], ON)
    ready.rest()
    ready.viewer.window.activate()
    ready.canvas.setFocus()
    ready.wait(ready.canvas.hasFocus)
    return ready


def panel(hand):
    return hand.dock.suggestions_panel.detector


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def choose(hand, monkeypatch, path):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    press(panel(hand).choose)


def use(hand, monkeypatch, path):
    choose(hand, monkeypatch, path)
    hand.wait(lambda: panel(hand).propose.isEnabled())


def listed(hand):
    rows = hand.dock.suggestions_panel.suggestions
    return [rows.item(n).text() for n in range(rows.count())]


def chosen(hand):
    return hand.dock.workbench.choice.suggestion


def test_boxes_of_an_exported_detector_are_proposed_and_worked_through_from_the_canvas(looking, monkeypatch, polyps):
    assert not panel(looking).propose.isEnabled() and panel(looking).about.isHidden()
    use(looking, monkeypatch, polyps)
    assert panel(looking).about.text() == "polyps.onnx: left polyp, spleen"
    press(panel(looking).propose)
    looking.wait(lambda: len(listed(looking)) == 2)
    assert listed(looking) == ["left polyp   90%", "left polyp   40%"]
    first = chosen(looking)
    outline = looking.layer(PREVIEW).data
    source = f"detector {panel(looking)._detector.sha256[:12]}"  # a file's name may be a patient's
    assert ((outline > 0).sum() == first.mask.sum()) and first.source == source
    drawn = np.asarray(looking.layer(BOXES).data[0])
    assert looking.layer(BOXES).visible and len(looking.layer(BOXES).data) == 1
    assert sorted(np.ptp(drawn, axis=0).round(3)) == pytest.approx([0, 19, 23], abs=0.01)
    assert "left polyp 90%" in looking.dock.notice.text
    looking.key(Qt.Key.Key_Return)
    looking.rest()
    session = looking.session
    assert [label.name for label in session.labels.labels.values()] == ["left_polyp"]
    assert (session.labels.voxels > 0).sum() == first.mask.sum()
    assert chosen(looking).score == pytest.approx(0.4)
    looking.key(Qt.Key.Key_Backspace)
    looking.rest()
    assert listed(looking) == [] and not looking.layer(BOXES).visible and not (looking.layer(PREVIEW).data > 0).any()
    assert [n.split(" of ")[1] for n in session.undo_names] == [source] * 2
    assert not looking.dock.error.text


def test_a_chosen_box_is_still_shown_after_a_look_at_the_3d_view(looking, monkeypatch, polyps):
    use(looking, monkeypatch, polyps)
    press(panel(looking).propose)
    looking.wait(lambda: chosen(looking) is not None)
    for ndisplay in (3, 2):
        looking.viewer.dims.ndisplay = ndisplay
        looking.rest()
        assert chosen(looking) and len(looking.layer(BOXES).data) == 1 and (looking.layer(PREVIEW).data > 0).any()


def test_a_lower_least_score_brings_more_boxes(looking, monkeypatch, polyps):
    use(looking, monkeypatch, polyps)
    panel(looking).at_least.setValue(50)
    press(panel(looking).propose)
    looking.wait(lambda: listed(looking) == ["left polyp   90%"])
    panel(looking).at_least.setValue(30)
    press(panel(looking).propose)
    looking.wait(lambda: len(listed(looking)) == 2)


def test_what_the_model_cannot_name_has_a_colour_and_a_name_below_the_cursor(looking, monkeypatch, polyps):
    use(looking, monkeypatch, polyps)
    press(panel(looking).propose)
    looking.wait(lambda: listed(looking))
    layer = looking.layer("semantic")
    value = looking.session.semantic.voxels[ON]
    assert list(layer.features["class"])[value] == spoken("left_polyp")
    assert layer.get_status(looking.world(looking.layers[0], ON), world=True)["value"]


def test_a_detector_of_our_own_is_read_and_remembered_for_the_next_window(looking, monkeypatch, tmp_path):
    path = tmp_path / "mine.safetensors"
    torch.manual_seed(0)
    save_detector(path, Detector(1), DetectorHeader(("liver",), 32))
    use(looking, monkeypatch, path)
    assert panel(looking).about.text() == "mine.safetensors: liver" and last_detector() == path
    press(panel(looking).propose)
    looking.wait(lambda: "mine.safetensors finds nothing more on slice k=5." in looking.dock.status.toolTip())
    later = detector_panel.DetectorPanel(looking.dock.workbench, looking.dock)
    assert later.propose.isEnabled() and later.about.text() == "mine.safetensors"
    press(later.propose)
    looking.wait(lambda: later.about.text() == "mine.safetensors: liver")
    looking.rest()
    later.deleteLater()


def test_a_detector_that_lies_on_a_drive_that_is_gone_is_looked_for_only_when_it_is_asked(looking, tmp_path):
    remember_detector(tmp_path / "gone.onnx")
    later = detector_panel.DetectorPanel(looking.dock.workbench, looking.dock)
    assert later.propose.isEnabled() and not looking.dock.error.text
    press(later.propose)
    looking.wait(lambda: "gone.onnx cannot be read" in looking.dock.error.text)
    assert later.propose.isEnabled()
    later.deleteLater()


@pytest.fixture
def slow(looking, monkeypatch, polyps):
    """A panel that remembers a detector whose file is read once the event is set; any other file at once."""
    remember_detector(polyps)
    goes_on, load = Event(), detector_panel.load_detector

    def wait_and_load(path):
        assert path != polyps or goes_on.wait(10)
        return load(path)

    monkeypatch.setattr(detector_panel, "load_detector", wait_and_load)
    made = detector_panel.DetectorPanel(looking.dock.workbench, looking.dock)
    yield made, goes_on
    goes_on.set()
    made.deleteLater()


def test_a_detector_that_is_read_when_another_one_was_chosen_is_not_asked(looking, monkeypatch, slow, tmp_path):
    panel_, goes_on = slow
    press(panel_.propose)
    assert not panel_.propose.isEnabled()
    other = onnx(tmp_path / "other.onnx")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(other), ""))
    press(panel_.choose)
    goes_on.set()
    looking.wait(lambda: panel_.about.text() == "other.onnx: left polyp, spleen")
    looking.rest()
    assert listed(looking) == [] and last_detector() == other


def test_a_detector_that_is_read_when_the_person_looks_elsewhere_is_not_asked_there(looking, slow):
    panel_, goes_on = slow
    press(panel_.propose)
    looking.look_at(looking.layers[0], (10, 8, 7))
    goes_on.set()
    looking.wait(panel_.propose.isEnabled)
    looking.rest()
    assert panel_.about.text().startswith("polyps.onnx: ") and listed(looking) == []


def test_the_button_stops_what_it_began(looking, monkeypatch, polyps):
    use(looking, monkeypatch, polyps)
    finder, goes_on = panel(looking)._detector.finder, Event()
    find = type(finder).find
    monkeypatch.setattr(type(finder), "find", lambda *args: goes_on.wait(10) and find(*args))
    press(panel(looking).propose)
    assert panel(looking).propose.text() == "Stop"
    press(panel(looking).propose)
    assert panel(looking).propose.text() == "Propose boxes"
    goes_on.set()
    looking.rest()
    assert listed(looking) == []
    press(panel(looking).propose)
    looking.wait(lambda: len(listed(looking)) == 2)
    assert panel(looking).propose.text() == "Propose boxes"


def test_a_file_that_is_no_detector_says_so_and_the_last_one_stays(looking, monkeypatch, polyps, tmp_path):
    use(looking, monkeypatch, polyps)
    wrong = tmp_path / "best.pt"
    wrong.write_bytes(b"nothing")
    choose(looking, monkeypatch, wrong)
    looking.wait(lambda: "yolo export model=best.pt format=onnx" in looking.dock.error.text)
    assert panel(looking).about.text().startswith("polyps.onnx") and last_detector() == polyps
    choose(looking, monkeypatch, "")  # the dialog was left
    assert panel(looking).about.text().startswith("polyps.onnx")


def test_no_box_arrives_on_another_slice_or_after_another_detector_was_chosen(looking, monkeypatch, polyps, tmp_path):
    use(looking, monkeypatch, polyps)
    for leave in (lambda: looking.look_at(looking.layers[0], (10, 8, 7)), lambda: use(looking, monkeypatch, polyps)):
        looking.look_at(looking.layers[0], ON)
        looking.rest()
        controller = looking.dock.workbench.controller
        QTest.mouseClick(panel(looking).propose, Qt.MouseButton.LeftButton)
        assert controller.busy
        leave()
        looking.rest()
        assert listed(looking) == [] and chosen(looking) is None


def test_a_model_that_names_nothing_fills_the_boxes(hand, predictor, monkeypatch, polyps):
    predictor.vocabulary = SilentPredictor().vocabulary
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.open_dock()
    hand.look_at(hand.layers[0], ON)
    use(hand, monkeypatch, polyps)
    press(panel(hand).propose)
    hand.wait(lambda: listed(hand) == ["left polyp   90%", "left polyp   40%"])


def test_the_detector_sees_what_the_window_shows_the_model(looking, monkeypatch, polyps):
    use(looking, monkeypatch, polyps)
    seen = []
    finder = panel(looking)._detector.finder
    monkeypatch.setattr(type(finder), "find", lambda self, picture, at: seen.append(picture) or 1 / 0)
    controller = looking.dock.workbench.controller
    controller.set_window(Window(90, 180))  # 0 to 180 HU
    looking.rest()
    press(panel(looking).propose)
    looking.wait(lambda: seen)
    looking.wait(lambda: "ZeroDivisionError" in looking.dock.error.text)
    assert seen[0].shape == SHAPE and seen[0].dtype == np.uint8
    assert sorted(set(seen[0].ravel().tolist())) == [0, 85, 170, 255]


def test_the_row_fits_the_narrow_dock(looking, monkeypatch, polyps):
    use(
        looking,
        monkeypatch,
        polyps.rename(polyps.with_name("a-name-that-is-longer-than-any-dock-is-wide" * 3 + ".onnx")),
    )
    assert looking.dock.minimumSizeHint().width() <= 320
