"""The label map changes only through patches, and every patch can be undone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from napari_segsam.core.errors import BadLabelsError, GridMismatchError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap, Patch
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from tests.core.grids import affine_of, volumes


@st.composite
def patches(draw: st.DrawFn) -> tuple[LabelMap, SliceView, np.ndarray, int]:
    """A label map with random values, a slice of it, a mask and a value."""
    volume = draw(volumes())
    axis = draw(st.sampled_from(range(3)))
    view = SliceView(volume, axis, draw(st.integers(0, volume.grid.shape[axis] - 1)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = LabelMap(volume.grid, random.integers(0, 4, volume.grid.shape).astype(np.uint16))
    return labels, view, random.random(view.shape) < 0.5, draw(st.integers(0, 4))


def undo(patch: Patch) -> Patch:
    return Patch(patch.name, patch.indices, patch.after, patch.before)


@given(patches())
def test_applying_and_reverting_leaves_the_labels_as_they_were(case):
    labels, view, mask, value = case
    before = labels.voxels.copy()
    patch = labels.patch(view, mask, value, "commit")
    assert np.array_equal(labels.voxels, before), "making a patch must not write"
    labels.apply(patch)
    after = labels.voxels.copy()
    labels.apply(undo(patch))
    assert np.array_equal(labels.voxels, before)
    labels.apply(patch)
    assert np.array_equal(labels.voxels, after)


@given(patches())
def test_a_committed_object_is_exactly_its_mask_on_this_slice_and_untouched_elsewhere(case):
    labels, view, mask, value = case
    before = labels.voxels.copy()
    labels.apply(labels.patch(view, mask, value, "commit"))
    if value:
        assert np.array_equal(view.of(labels.voxels) == value, mask)
    else:
        assert not view.of(labels.voxels)[mask].any()
    elsewhere = np.ones(before.shape, bool)
    view.of(elsewhere)[...] = False
    assert np.array_equal(labels.voxels[elsewhere], before[elsewhere])


@given(patches())
def test_a_patch_holds_only_voxels_that_change(case):
    labels, view, mask, value = case
    patch = labels.patch(view, mask, value, "commit")
    assert (patch.before != patch.after).all()
    assert np.array_equal(labels.voxels.reshape(-1)[patch.indices], patch.before)
    assert len(np.unique(patch.indices)) == len(patch)


class Undoing(RuleBasedStateMachine):
    """Commit, erase, undo and redo in any order against the snapshots that a plain copy would give."""

    @initialize(codes=st.sampled_from(("LPS", "RAS", "SRP")))
    def open(self, codes: str) -> None:
        grid = Grid((3, 4, 2), affine_of(codes))
        self.volume = Volume(grid, np.zeros(grid.shape))
        self.labels = LabelMap(grid)
        self.done, self.undone = [], []
        self.snapshots = [self.labels.voxels.copy()]

    @rule(axis=st.sampled_from(range(3)), index=st.integers(0, 1), value=st.integers(0, 3), seed=st.integers(0, 999))
    def commit(self, axis: int, index: int, value: int, seed: int) -> None:
        view = SliceView(self.volume, axis, index)
        mask = np.random.default_rng(seed).random(view.shape) < 0.5
        patch = self.labels.patch(view, mask, value, "commit")
        self.labels.apply(patch)
        del self.snapshots[len(self.done) + 1 :]
        self.done.append(patch)
        self.undone.clear()
        self.snapshots.append(self.labels.voxels.copy())

    @precondition(lambda self: self.done)
    @rule()
    def undo(self) -> None:
        self.undone.append(self.done.pop())
        self.labels.apply(undo(self.undone[-1]))

    @precondition(lambda self: self.undone)
    @rule()
    def redo(self) -> None:
        self.done.append(self.undone.pop())
        self.labels.apply(self.done[-1])

    @invariant()
    def the_labels_are_those_of_that_moment(self) -> None:
        assert np.array_equal(self.labels.voxels, self.snapshots[len(self.done)])


TestUndoing = Undoing.TestCase


def phantom() -> tuple[LabelMap, SliceView]:
    grid = Grid((4, 5, 6), affine_of("LPS"))
    return LabelMap(grid), SliceView(Volume(grid, np.zeros(grid.shape)), 2, 3)


def test_a_new_label_map_is_background_on_its_grid():
    labels, _ = phantom()
    assert labels.voxels.shape == (4, 5, 6) and labels.voxels.dtype == np.uint16 and not labels.voxels.any()


def test_a_patch_never_writes_a_copy_where_the_voxels_came_in_another_memory_order():
    labels, view = phantom()
    labels = LabelMap(labels.grid, np.asfortranarray(labels.voxels))
    labels.apply(labels.patch(view, np.ones(view.shape, bool), 7, "commit"))
    assert (labels.voxels == 7).sum() == 20


def test_the_largest_label_value_is_kept():
    labels, view = phantom()
    labels.apply(labels.patch(view, np.ones(view.shape, bool), 65535, "commit"))
    assert labels.voxels.max() == 65535


@pytest.mark.parametrize("value", [-1, 65536])
def test_a_value_that_no_voxel_can_hold_is_refused(value: int):
    labels, view = phantom()
    with pytest.raises(BadLabelsError, match="65535"):
        labels.patch(view, np.ones(view.shape, bool), value, "commit")


def test_a_mask_of_another_shape_is_refused():
    labels, view = phantom()
    with pytest.raises(GridMismatchError, match="mask"):
        labels.patch(view, np.ones((1, 5), bool), 1, "commit")


def test_a_patch_of_another_image_is_refused():
    labels, _ = phantom()
    elsewhere = Grid((4, 5, 6), affine_of("RPS"))
    view = SliceView(Volume(elsewhere, np.zeros(elsewhere.shape)), 2, 3)
    with pytest.raises(GridMismatchError, match="another image"):
        labels.patch(view, np.ones(view.shape, bool), 1, "commit")


def test_voxels_of_another_shape_are_refused():
    with pytest.raises(GridMismatchError, match=r"\(4, 5, 7\) do not fit the image \(4, 5, 6\)"):
        LabelMap(Grid((4, 5, 6), np.eye(4)), np.zeros((4, 5, 7), np.uint16))


@pytest.mark.parametrize("voxels", [[[[-1]]], [[[65536]]], [[[0.5]]], [[[np.nan]]]], ids=str)
def test_values_that_a_label_map_cannot_hold_are_refused_not_wrapped(voxels):
    with pytest.raises(BadLabelsError, match="whole numbers from 0 to 65535"):
        LabelMap(Grid((1, 1, 1), np.eye(4)), np.array(voxels))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, bool, np.dtype(">u2")], ids=str)
def test_labels_of_any_type_are_kept_exactly(dtype):
    labels = LabelMap(Grid((1, 1, 2), np.eye(4)), np.array([[[0, 1]]], dtype))
    assert labels.voxels.dtype == np.uint16 and labels.voxels.tolist() == [[[0, 1]]]


def test_the_free_value_is_one_that_neither_a_name_nor_a_voxel_uses():
    labels, view = phantom()
    labels.labels[1] = Label(1, "liver")
    labels.apply(labels.patch(view, np.ones(view.shape, bool), 2, "commit"))
    assert labels.free_value() == 3


def test_a_label_map_without_a_free_value_says_so():
    labels, _ = phantom()
    labels.labels = {value: Label(value, "x") for value in range(1, 65536)}
    with pytest.raises(BadLabelsError, match="65535"):
        labels.free_value()


def test_volume_is_voxels_times_their_size():
    labels, view = phantom()
    labels.apply(labels.patch(view, np.ones(view.shape, bool), 1, "commit"))
    assert np.isclose(labels.volume_mm3(1), 20 * 0.7 * 1.1 * 2.5)
