"""Masks and voxels come back as they were, from little memory."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_segsam.core.packed import PackedMask, PackedVoxels

int64s = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300)


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=20)))
def test_any_mask_comes_back_as_an_array_of_its_own(mask):
    packed = PackedMask.of(mask)
    assert np.array_equal(packed.mask, mask) and packed.mask.dtype == bool
    packed.mask[...] = True
    assert np.array_equal(packed.mask, mask)


def test_a_mask_may_be_a_view():
    mask = np.tri(12, 9, dtype=bool)[::-2, ::3].T
    assert np.array_equal(PackedMask.of(mask).mask, mask)


@given(st.lists(st.tuples(int64s, st.integers(0, 65535), st.integers(0, 65535)), max_size=30))
def test_any_voxels_come_back_in_their_order(voxels):
    indices, before, after = (np.array([v[n] for v in voxels], t) for n, t in enumerate((np.int64, "u2", "u2")))
    packed = PackedVoxels.of(indices, before, after)
    found, values = packed.unpack()
    assert np.array_equal(found, indices) and np.array_equal(packed.indices, indices) and found.dtype == np.int64
    assert np.array_equal(values, [before, after]) and values.dtype == np.uint16
    assert packed.count == len(voxels)
    found[...], values[...] = 0, 0  # whoever gets them may write into them


def disk(side):
    rows, cols = np.mgrid[:side, :side] - side / 2
    return rows**2 + cols**2 < (side / 5) ** 2


def test_an_organ_on_a_slice_takes_a_small_part_of_its_array():
    mask = disk(512)
    indices = np.flatnonzero(np.repeat(mask[..., None], 40, axis=2) & (np.arange(40) == 7))
    values = np.full(len(indices), 3, np.uint16)
    assert len(PackedMask.of(mask).data) < mask.nbytes / 200
    assert len(PackedVoxels.of(indices, values).data) < indices.nbytes / 50
