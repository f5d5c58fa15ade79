import numpy as np
import pytest

from napari_segsam.core.prompts import Box
from napari_segsam.engine.zoo.box_proposals import load_finder
from napari_segsam.model.mobilenet import MobileNetV2
from napari_segsam.train.data.dataset import SAMed2D, load
from napari_segsam.train.detector_run import boxes_of, example_of, nano_backbone, teach_detector, vocabulary_of
from tests.train.sa_med2d import disk, objects, write


def test_a_folder_of_pictures_becomes_a_detectors_file(tmp_path):
    losses = []
    out = tmp_path / "mine.safetensors"
    data = SAMed2D(write(tmp_path / "data"))
    header = teach_detector(data, out, side=32, steps=2, done=lambda step, loss: losses.append((step, loss)))
    assert [step for step, _ in losses] == [1, 2]
    assert len(header.names) == 3
    assert load_finder(out).names == header.names


def test_a_side_that_does_not_halve_five_times_is_refused(tmp_path):
    with pytest.raises(ValueError, match="multiple of 32"):
        teach_detector(SAMed2D(write(tmp_path)), tmp_path / "x.safetensors", side=100)


def test_each_object_of_a_picture_is_a_box_of_its_class(tmp_path):
    data = SAMed2D(write(tmp_path))
    vocabulary = vocabulary_of(data)
    assert vocabulary.names == ("liver", "spleen", "thing")  # it is written "Liver" there
    sample = load(data, vocabulary)[0]
    example = example_of(sample, 96)  # twice as large
    expected = {}
    for mask, (row, col, radius) in zip(objects(0).values(), ((14, 15, 9), (32, 33, 8), (10, 40, 4)), strict=True):
        box = Box.around(mask)
        assert (box.row_min, box.col_max) == (row - radius, col + radius)
        expected[2 * box.col_min, 2 * box.row_min, 2 * (box.col_max + 1), 2 * (box.row_max + 1)] = None
    assert {tuple(c) for c in example.corners.tolist()} == set(expected)
    assert sorted(example.classes.tolist()) == [0, 1, 2]


def test_parts_of_a_mask_get_a_box_each_and_specks_none():
    mask = disk(14, 15, 9) | disk(34, 36, 6)
    mask[47, 0] = True
    assert list(boxes_of(mask)) == [Box(5, 6, 23, 24), Box(28, 30, 40, 42)]
    assert list(boxes_of(np.zeros((8, 8), bool))) == []


def test_the_backbone_in_the_package_is_a_whole_mobilenet():
    assert set(nano_backbone()) == set(MobileNetV2().state_dict())
