import numpy as np
import pytest
import torch

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.loading import load_model
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.zoo.automatic_masks import PointGrid, finished
from napari_segsam.engine.zoo.prior_maps import PriorMaps, augmented, mapping, maps_of, most_certain
from napari_segsam.io.phantom.sample import torso_phantom, torso_phantom_labels
from napari_segsam.io.registry import resolve
from napari_segsam.model.zoo.family import Masks
from tests.zoo import BOXES
from tests.zoo import predictor as echo

SHAPE = (12, 14)
STABLE = (0.5, 0.75, 0.97)


def rectangle(rows, cols):
    mask = np.zeros(SHAPE, bool)
    mask[rows, cols] = True
    return mask


# Two that overlap, and one at the picture's corner that touches neither.
MASKS = (
    rectangle(slice(2, 7), slice(2, 8)),
    rectangle(slice(4, 9), slice(5, 11)),
    rectangle(slice(10, 12), slice(0, 3)),
)


def neighbours_differ(mask):
    """The thick boundary by its definition: a pixel one of whose four neighbours is on the other side."""
    found = np.zeros_like(mask)
    for axis in (0, 1):
        change = np.diff(mask, axis=axis)
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(0, -1), slice(1, None)
        found[tuple(before)] |= change
        found[tuple(after)] |= change
    return found


@pytest.fixture(scope="module")
def maps():
    return PriorMaps.of(MASKS, STABLE, SHAPE)


def test_stabilities_add_up_where_masks_overlap(maps):
    expected = sum(stable * mask for mask, stable in zip(MASKS, STABLE, strict=True))
    assert np.array_equal(maps.stability, expected.astype(np.float32))
    assert maps.stability.max() == 1.25  # neither the larger of the two nor clipped


def test_the_boundary_is_thick_and_counts_once(maps):
    expected = np.any([neighbours_differ(mask) for mask in MASKS], axis=0)
    assert np.array_equal(maps.boundary, expected.astype(np.float32))
    assert maps.boundary[1, 4] == maps.boundary[2, 4] == 1  # outside and inside of an edge
    assert maps.boundary[1, 1] == 0  # diagonal neighbours are none


def test_the_maps_are_added_to_green_and_blue_and_nothing_is_scaled(maps):
    picture = np.random.default_rng(0).uniform(0, 1, (*SHAPE, 3)).astype(np.float32)
    result = augmented(picture, maps)
    assert result.dtype == np.float32
    assert np.array_equal(result[..., 0], picture[..., 0])
    assert np.allclose(result[..., 1] - picture[..., 1], maps.stability, atol=1e-6)
    assert np.allclose(result[..., 2] - picture[..., 2], maps.boundary, atol=1e-6)
    assert result.max() > 1


def test_a_grey_picture_gets_three_channels(maps):
    grey = np.full(SHAPE, 0.25, np.float32)
    assert np.array_equal(augmented(grey, maps)[..., 0], grey)


def test_a_picture_without_masks_stays_as_it_is():
    picture = np.full((*SHAPE, 3), 0.5, np.float32)
    assert np.array_equal(augmented(picture, PriorMaps.of((), (), SHAPE)), picture)


def test_a_mask_of_another_picture_is_refused():
    with pytest.raises(ValueError, match="the picture"):
        PriorMaps.of((np.ones((3, 3), bool),), (1.0,), SHAPE)


def test_the_answer_farther_from_a_half_is_taken_and_the_raw_one_of_equals():
    unsure, sure_of_nothing = np.full((4, 4), 0.6), np.full((4, 4), 0.1)
    assert most_certain([unsure, sure_of_nothing]) == 1
    assert most_certain([sure_of_nothing, unsure]) == 0
    assert most_certain([np.full((4, 4), 0.25), np.full((4, 4), 0.75)]) == 0
    # The mean counts, not the surest pixel.
    one_sure = unsure.copy()
    one_sure[0, 0] = 1.0
    assert most_certain([one_sure, sure_of_nothing]) == 1


def test_what_a_model_finds_on_its_square_lies_on_the_slice_in_the_same_place():
    """A slice of 20 x 40 pixels fills the upper half of a square of 64; each click finds the left part of it."""
    left = torch.full((1, 1, 16, 16), -9.0)
    left[..., :8, :4] = 9.0

    def answer(prompts):
        return Masks(left.expand(len(prompts), -1, -1, -1), None)

    maps = finished(mapping(answer, 64, PictureFrame(20, 40, 32, 64), PointGrid(points=4, least_stability=0.5)))
    assert maps.stability.shape == (20, 40)
    assert (maps.stability[:, :9] == 1).all()  # found sixteen times, counted once
    assert (maps.stability[:, 11:] == 0).all()
    assert maps.boundary[:, 8:12].any(1).all()
    assert not maps.boundary[:, :7].any()
    assert not maps.boundary[:, 13:].any()


def test_nano_can_be_clicked_everywhere_too():
    """The embedded model on a slice of the phantom: most of the liver is found, and no more than a little air."""
    found = resolve("nano")
    nano = load_model(found.path, "cpu", found.name)
    volume, labels = torso_phantom(), torso_phantom_labels()
    view = SliceView(volume, 2, volume.grid.shape[2] // 2)
    maps = finished(maps_of(nano, nano.embed(view, nano.window_for(view, None)), points=5))
    names = {label.name: value for value, label in labels.labels.items()}
    liver = view.of(labels.voxels) == names["liver"]
    assert maps.stability.shape == maps.boundary.shape == view.shape
    assert (maps.stability[liver] > 0).mean() > 0.8
    assert 0 < maps.boundary.mean() < 0.2


def test_a_model_that_takes_no_points_is_refused():
    boxes = echo(BOXES)
    with pytest.raises(BadPromptsError, match="takes no points"):
        maps_of(boxes, None)
