"""A detector for pictures, asked about slices: what it sees, and where its boxes lie then."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segsam.core.errors import BadCheckpointError
from napari_segsam.core.grid import Grid
from napari_segsam.core.prompts import Box
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine import zoom
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.zoo.box_proposals import channels
from napari_segsam.engine.zoo.slice_detector import SliceDetector, load_detector
from napari_segsam.model.boxes import Boxes
from napari_segsam.model.detector import Detector, DetectorHeader, save_detector
from napari_segsam.train.detector_run import example_of_slice


class Sees:
    """A detector by hand: round what is brighter than grey."""

    def __init__(self):
        self.names, self.pictures = ("left_kidney",), []

    def find(self, picture, at):
        self.pictures.append(picture)
        grey = picture if picture.ndim == 2 else picture.mean(2)
        b = Box.around(grey > 128)
        corners = [[b.col_min, b.row_min, b.col_max + 1, b.row_max + 1]]
        return Boxes(torch.tensor(corners), torch.tensor([0.5]), torch.tensor([0]))


def scan(voxels, spacing=(1.0, 1.0, 1.0), **rest):
    return Volume(Grid(voxels.shape[:3], np.diag([*spacing, 1.0])), voxels, name="scan", **rest)


def asked(volume, window=None, axis=2):
    finder, view = Sees(), SliceView(volume, axis, 0)
    (proposal,) = SliceDetector("d", "0", finder).propose(view, window, 0.25)
    return finder.pictures[0], proposal, view


def bright(shape=(40, 30, 2), dtype=np.int16, dark=0, light=100):
    voxels = np.full(shape, dark, dtype)
    voxels[10:20, 5:9] = light
    return voxels


def test_a_window_is_scaled_to_a_grey_picture():
    picture, proposal, _ = asked(scan(bright(light=150), modality="ct"), Window(100, 200))
    assert picture.dtype == np.uint8 and picture.shape == (30, 40)
    assert (picture[0, 0], picture[5, 10]) == (0, 191)
    assert (proposal.name, proposal.score) == ("left_kidney", 0.5)


def test_an_8_bit_picture_stays_as_it_is_and_colours_stay_colours():
    grey, _, _ = asked(scan(bright(dtype=np.uint8, dark=7, light=200)))
    assert sorted(set(grey.ravel().tolist())) == [7, 200]
    voxels = np.zeros((40, 30, 1, 3), np.uint8)
    voxels[10:20, 5:9] = (250, 200, 150)
    picture, _, _ = asked(scan(voxels, modality="rgb"))
    assert picture.shape == (30, 40, 3) and picture[5, 10].tolist() == [250, 200, 150]


def test_what_is_dark_in_the_file_is_light_in_an_inverted_picture():
    volume = replace(scan(bright(dtype=np.uint8, dark=255, light=20)), inverted=True)
    picture, _, _ = asked(volume)
    assert (picture[0, 0], picture[5, 10]) == (0, 235)


@pytest.mark.parametrize(("spacing", "axis"), [((1, 1, 1), 2), ((1, 1, 1), 0), ((0.5, 2, 1), 2), ((3, 1, 0.7), 2)])
def test_a_box_lies_round_what_was_seen_within_a_slice_pixel(spacing, axis):
    voxels = np.zeros((40, 30, 24), np.int16)
    voxels[10:20, 5:9, :] = 100
    if axis == 0:
        voxels = np.moveaxis(voxels, 2, 0)
    picture, proposal, view = asked(scan(voxels, spacing), Window(50, 100), axis)
    rows, cols = view.spacing_mm[0] * view.shape[0], view.spacing_mm[1] * view.shape[1]
    assert picture.shape[0] / picture.shape[1] == pytest.approx(rows / cols, rel=0.03)  # its pixels are square
    truth, found = Box.around(view.pixels > 50), proposal.box
    sides = [(found.row_min, truth.row_min), (found.col_min, truth.col_min), (found.row_max, truth.row_max)]
    assert all(abs(a - b) <= 0.75 for a, b in [*sides, (found.col_max, truth.col_max)])


def test_a_box_comes_back_from_the_picture_inside_the_slice():
    frame = PictureFrame(rows=10, cols=20, height=40, width=20)
    box = Box(2, 3, 5, 19)
    back = frame.box_back(frame.box(box))
    assert (back.row_min, back.col_min, back.row_max, back.col_max) == (2, 3, 5, 19)
    thin = frame.box_back(Box(8, 3, 8, 4))  # a quarter of a slice pixel
    assert thin.row_min == thin.row_max == pytest.approx(1.625)
    edge = frame.box_back(Box(39, 0, 39, 19))
    assert 0 <= edge.row_min <= edge.row_max <= 9


def detector_of(path, *names):
    save_detector(path, Detector(len(names)), DetectorHeader(names, 64))
    return load_detector(path)


def test_classes_are_spelled_as_they_are_here_and_told_apart(tmp_path):
    names = ("Left Kidney", "left-kidney", "Größe", "?")
    assert detector_of(tmp_path / "d.safetensors", *names).classes == ("left_kidney", "class_1", "grösse", "class_3")


KINDS = [("ct", np.int16, None), ("ct", np.uint16, None), ("mr", np.int16, None), ("ct", np.int16, Window(60, 100))]


@pytest.mark.parametrize(("modality", "dtype", "window"), KINDS)
def test_a_detector_is_asked_about_the_picture_that_it_would_learn_from(modality, dtype, window):
    """Its own window, whichever model fills the boxes, unless the person asked for one."""
    volume = scan(np.random.default_rng(0).integers(0, 2000, (40, 30, 2)).astype(dtype), modality=modality)
    volume.voxels[5:9, 5:9] = 2000
    picture, _, view = asked(volume, window)
    learnt = example_of_slice(view, np.zeros(view.shape, np.uint16), {}, 64).picture
    seen = zoom.fit_slice(channels(picture), 64)[0]
    assert torch.equal(seen, learnt) == (window is None)


def test_a_detector_is_loaded_with_its_name_and_hash_or_says_what_is_wrong(tmp_path):
    loaded = detector_of(tmp_path / "mine.safetensors", "polyp")
    assert (loaded.name, loaded.classes, len(loaded.sha256)) == ("mine.safetensors", ("polyp",), 64)
    with pytest.raises(BadCheckpointError, match=r"absent\.onnx cannot be read"):
        load_detector(tmp_path / "absent.onnx")
