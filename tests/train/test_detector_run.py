import numpy as np
import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.prompts import Box
from napari_segsam.engine.zoo.box_proposals import load_finder
from napari_segsam.model.mobilenet import MobileNetV2
from napari_segsam.train.data.dataset import SAMed2D, load
from napari_segsam.train.detector_run import (
    boxes_of,
    example_of,
    lesson_of_data,
    lesson_of_scan,
    measured,
    nano_backbone,
    teach_detector,
    vocabulary_of,
)
from tests.fakes import ORGAN_HU, block_volume
from tests.train.sa_med2d import disk, objects, write


def test_a_folder_of_pictures_becomes_a_detectors_file(tmp_path):
    out, seen = tmp_path / "mine.safetensors", []
    data = SAMed2D(write(tmp_path / "data"))
    lesson = lesson_of_data(data, 32)
    assert (len(lesson.names), len(lesson.examples), lesson.boxes) == (3, 6, 18)
    model = teach_detector(lesson, out, steps=2, watch=lambda *said: seen.append(said[1:]) or said[0])
    assert seen == [(2, "training")]
    assert load_finder(out).names == lesson.names
    assert 0 <= measured(model, lesson_of_data(data, 32, lesson.names)) <= 1


def test_of_too_many_pictures_as_many_are_read_as_are_allowed_evenly_and_shown(tmp_path):
    data, seen = SAMed2D(write(tmp_path, 12)), []

    def watch(items, total, what):
        for n, item in enumerate(items):
            seen.append((n, total, what, item.sample.name))
            yield item

    lesson = lesson_of_data(data, 32, limit=3, watch=watch)
    assert (len(lesson.examples), lesson.boxes, len(data.samples)) == (3, 9, 12)
    assert [s[:3] for s in seen] == [(n, 3, "reading") for n in range(3)]
    assert [s[3] for s in seen] == [data.samples[n].name for n in (0, 6, 11)]


def test_pictures_are_read_one_after_another_and_what_cannot_be_read_is_left_out(tmp_path):
    data = SAMed2D(write(tmp_path))
    data.samples[1].path.write_bytes(b"no picture")
    held = []
    lesson = lesson_of_data(data, 32, watch=lambda items, *_: (held.append(len(i.store.kept)) or i for i in items))
    assert len(lesson.examples) == 5 and max(held) == 1
    assert len(data.skipped) == 1


def test_a_side_that_does_not_halve_five_times_is_refused(tmp_path):
    with pytest.raises(ValueError, match="multiple of 32"):
        lesson_of_data(SAMed2D(write(tmp_path)), 100)


def organs(volume):
    """The three blocks as labels; the spleen without a name."""
    labels = LabelMap(volume.grid, labels={1: Label(1, "liver"), 3: Label(3, "kidney_left")})
    for value, hu in enumerate(ORGAN_HU.values(), 1):
        labels.voxels[volume.voxels == hu] = value
    return labels


@pytest.mark.parametrize("axis", [0, 2])
def test_a_labelled_scan_is_a_lesson_slice_by_slice(axis):
    volume = block_volume((24, 20, 8))
    lesson = lesson_of_scan(volume, organs(volume), axis, 96)
    assert lesson.names == ("kidney_left", "liver", "object 2")
    labelled = (organs(volume).voxels > 0).any(axis=tuple(a for a in range(3) if a != axis)).sum()
    assert len(lesson.examples) == labelled == (6 if axis == 2 else 20)
    assert lesson.boxes == 18 if axis == 2 else lesson.boxes > 18
    if axis == 2:  # rows are j and columns i, four times as large; the liver is i 1..11, j 1..9
        liver = lesson.examples[0].corners[lesson.examples[0].classes == 1]
        assert liver.tolist() == [[4, 4, 48, 40]]


def test_of_too_many_slices_as_many_are_learnt_as_are_allowed():
    volume = block_volume((24, 20, 8))
    assert len(lesson_of_scan(volume, organs(volume), 2, 32, limit=4).examples) == 4


def test_a_scan_without_a_label_is_refused():
    volume = block_volume()
    with pytest.raises(UnreadableInputError, match="label a few objects first"):
        lesson_of_scan(volume, LabelMap(volume.grid), 2, 32)


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
