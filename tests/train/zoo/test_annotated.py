import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_segsam.core.errors import GridMismatchError, UnreadableInputError, WriteError
from napari_segsam.model.zoo.family import Preparation
from napari_segsam.train.zoo import files
from napari_segsam.train.zoo.annotated import annotated_slices, numbered
from tests.fakes import block_volume

SIDE = 32
HOW = Preparation(SIDE, "squash", "antialias", mean=(0, 0, 0), std=(255, 255, 255), window_hu=(-125, 275))


def labelled(volume):
    """Everything brighter than 50 HU, which no two axes have alike."""
    return (volume.voxels > 50).astype(np.uint16)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_labelled_slice_is_learned_from_with_its_labels_in_place(axis):
    volume = block_volume()
    labels = labelled(volume)
    slices = annotated_slices(volume, labels, axis, HOW)
    across = tuple(a for a in range(3) if a != axis)
    assert len(slices.pictures) == (labels.any(axis=across)).sum()
    assert slices.pictures.shape[1:] == (3, SIDE, SIDE) and slices.labels.shape[1:] == (SIDE, SIDE)
    inside, outside = slices.pictures[:, 0][slices.labels > 0], slices.pictures[:, 0][slices.labels == 0]
    assert inside.median() > outside.median() + 0.1


def test_ct_is_clipped_to_the_familys_window():
    volume = block_volume()
    pictures = annotated_slices(volume, labelled(volume), 2, HOW).pictures
    assert pictures.min() >= 0 and pictures.max() <= 1


def test_labels_are_not_mixed_when_they_are_resized():
    volume = block_volume()
    labels = labelled(volume) * 9
    assert set(annotated_slices(volume, labels, 2, HOW).labels.unique().tolist()) == {0, 9}


def test_a_picture_that_keeps_its_shape_is_padded_and_its_labels_with_it():
    volume = block_volume()
    slices = annotated_slices(volume, labelled(volume), 2, replace(HOW, fit="longest"))
    rows, cols = (slices.pictures[0, 0] != 0).nonzero().amax(0).tolist()
    assert min(rows, cols) < SIDE - 1
    assert not slices.labels[:, rows + 1 :].any() and not slices.labels[:, :, cols + 1 :].any()


def test_neighbours_come_with_a_slice_and_those_without_a_label_are_not_known():
    volume = block_volume()
    labels = np.zeros(volume.grid.shape, np.uint16)
    labels[2:6, 2:6, [0, 3, 4]] = 5
    slices = annotated_slices(volume, labels, 2, replace(HOW, slices=3))
    assert slices.pictures.shape == (3, 3, 3, SIDE, SIDE) and slices.labels.shape == (3, 3, SIDE, SIDE)
    known = (slices.labels >= 0).flatten(2).all(2)
    assert known.tolist() == [[True, True, False], [False, True, True], [True, True, False]]
    assert (slices.labels == 5).flatten(2).any(2).equal(known)


@pytest.mark.parametrize("slices", [1, 3])
def test_a_slice_whose_labels_are_lost_on_the_smaller_square_is_no_example(slices):
    volume = block_volume((96, 96, 8))
    labels = np.zeros(volume.grid.shape, np.uint16)
    labels[20:60, 20:60, 3] = 1
    labels[0, 0, 4] = 1  # between the points that the square takes
    how = replace(HOW, slices=slices)
    assert len(annotated_slices(volume, labels, 2, how).pictures) == 1
    labels[..., 3] = 0
    with pytest.raises(UnreadableInputError, match="too small to be seen on 32 pixels a side"):
        annotated_slices(volume, labels, 2, how)


def test_labels_of_nothing_and_of_another_scan_are_refused():
    volume = block_volume()
    with pytest.raises(UnreadableInputError, match="label a few"):
        annotated_slices(volume, np.zeros_like(labelled(volume)), 2, HOW)
    with pytest.raises(GridMismatchError):
        annotated_slices(volume, np.ones((2, 2, 2), np.uint16), 2, HOW)


def test_any_values_become_one_to_c_in_their_order():
    found, values = numbered(np.array([[0, 7], [300, 7]], np.uint16))
    assert found.tolist() == [[0, 1], [2, 1]]
    assert values == [7, 300]


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_file_holds_the_tensors_and_its_neighbour_the_names(tmp_path, suffix):
    path, tensors = tmp_path / f"own{suffix}", {"w_a_000": torch.rand(2, 3), "w_b_000": torch.rand(3, 2)}
    files.write(path, tensors, {2: "Zyste", 1: "Leber"})
    back = torch.load(path, weights_only=True) if suffix == ".pth" else load_file(path)
    assert set(back) == set(tensors) and all(torch.equal(back[k], t) for k, t in tensors.items())
    assert list(json.loads((tmp_path / f"own{suffix}.labels.json").read_text(encoding="utf-8")).items()) == [
        ("1", "Leber"),
        ("2", "Zyste"),
    ]


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(WriteError, match=r"\.pth"):
        files.check_suffix(tmp_path / "own.bin")
