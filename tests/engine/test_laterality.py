"""A left organ on the patient's right is said aloud, in every orientation of the file; else nothing is."""

from dataclasses import replace

import numpy as np
import pytest

from napari_segsam.core.grid import Grid
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.laterality import side_of, wrong_side
from napari_segsam.engine.session import Session
from tests.fakes import LIVER, block_volume

SHAPE, MM = (80, 60, 6), 4.0


def body(flip_i: bool = False, mm: float = MM, **more) -> Volume:
    """A block of tissue in air; i runs to the patient's left, or to the right where flipped."""
    voxels = np.full(SHAPE, -1000, np.int16)
    voxels[10:70, 10:50] = 40
    affine = np.diag([-mm if flip_i else mm, mm, mm, 1.0])
    return Volume(Grid(SHAPE, affine), voxels, modality="ct", name="body", **more)


def marked(volume: Volume, i: slice, axis: int = 2):
    """A slice, and an object at these columns i of it."""
    solid = np.zeros(SHAPE, bool)
    solid[i, 25:35] = True
    view = SliceView(volume, axis, SHAPE[axis] // 2)
    return view, view.of(solid)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_left_kidney_on_the_right_is_said(flip, axis):
    low = slice(15, 25)
    view, mask = marked(body(flip), low, axis)
    right_one, wrong_one = ("kidney_right", "kidney_left") if not flip else ("kidney_left", "kidney_right")
    assert wrong_side(right_one, view, mask) is None
    side = "right" if not flip else "left"
    assert f"patient's {side}" in wrong_side(wrong_one, view, mask)


def test_an_object_across_the_midline_is_left_alone():
    view, mask = marked(body(), slice(30, 45))
    assert wrong_side("lung_left", view, mask) is None and wrong_side("lung_right", view, mask) is None


def test_a_name_without_a_side_and_an_empty_mask_are_left_alone():
    view, mask = marked(body(), slice(15, 25))
    assert wrong_side("liver", view, mask) is None and wrong_side(None, view, mask) is None
    assert wrong_side("kidney_left", view, np.zeros_like(mask)) is None


def test_where_nobody_knows_how_the_scan_lies_nothing_is_said():
    unplaced = replace(body(), placed=False)
    view, mask = marked(unplaced, slice(15, 25))
    assert wrong_side("kidney_left", view, mask) is None


def test_across_sagittal_slices_nothing_is_said():
    view = SliceView(body(), 0, 15)
    assert wrong_side("kidney_left", view, np.ones(view.shape, bool)) is None


def test_a_picture_of_one_knee_has_no_midline():
    view, mask = marked(body(mm=1.0), slice(15, 25))
    assert wrong_side("patella_left", view, mask) is None


@pytest.mark.parametrize(
    ("name", "side"),
    [("kidney_left", "left"), ("left_lung", "left"), ("autochthon right", "right"), ("leftover", None)],
)
def test_the_side_is_a_word_of_its_own(name, side):
    assert side_of(name) == side


def test_committing_it_says_so(predictor, executor):
    controller = Controller(Session(block_volume(spacing=10.0)), predictor, executor, neighbours=())
    failed, said = [], []
    controller.failed.connect(failed.append)
    controller.status_changed.connect(said.append)
    controller.click(*LIVER)
    assert "liver" in said[-1] and "patient's" not in said[-1]
    controller.choose_class("kidney_left")
    controller.commit()
    assert failed == [
        "kidney left was committed on slice k=4. It lies on the patient's right: check the class, or whether the scan "
        "says truly how it lies."
    ]
