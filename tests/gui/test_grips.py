"""What of the prompts lies under the cursor, on pixels of any size."""

import pytest

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.gui.grips import BoxGrip, box_grip_at, click_at, stretched

BOX = Box(10, 20, 30, 60)


def test_the_newest_of_points_on_top_of_each_other_is_taken():
    old, new = Click(10, 10), Click(10, 11, False)
    assert click_at(Prompts((old, new)), (10, 10.5), (4, 4)) is new


@pytest.mark.parametrize(("px", "found"), [((1, 1), True), ((1, 4), False), ((4, 1), True)])
def test_a_point_is_as_large_as_it_is_drawn_whatever_the_pixels_are(px, found):
    assert (click_at(Prompts((Click(10, 10),)), (10, 15), px) is not None) == found


@pytest.mark.parametrize(
    ("rc", "grip"),
    [
        ((9.5, 40), BoxGrip("min", None)),
        ((31, 40), BoxGrip("max", None)),
        ((20, 19), BoxGrip(None, "min")),
        ((20, 60.5), BoxGrip(None, "max")),
        ((10, 20), BoxGrip("min", "min")),
        ((30, 61), BoxGrip("max", "max")),
        ((20, 40), None),
        ((9.5, 70), None),
        ((0, 19.5), None),
    ],
)
def test_edges_and_corners_are_taken_within_reach(rc, grip):
    assert box_grip_at(Prompts(box=BOX), rc, (4, 4)) == grip


def test_there_is_no_grip_without_a_box():
    assert box_grip_at(Prompts((Click(10, 20),)), (10, 20), (4, 4)) is None


def test_the_nearer_side_of_a_thin_box_is_taken():
    assert box_grip_at(Prompts(box=Box(10, 20, 10, 60)), (10.4, 40), (4, 4)) == BoxGrip("max", None)


@pytest.mark.parametrize(
    ("grip", "by", "box"),
    [
        (BoxGrip("max", None), (5, 9), Box(10, 20, 35, 60)),
        (BoxGrip("min", "max"), (-4, 6), Box(6, 20, 30, 66)),
        (BoxGrip("min", None), (30, 0), Box(30, 20, 40, 60)),
    ],
)
def test_a_grip_moves_its_own_sides_only_and_may_pass_the_other(grip, by, box):
    assert Box.between(*stretched(BOX, grip, by)) == box
