"""Steps that went on from each other, as the one that undo takes back."""

import numpy as np
import pytest

from napari_segsam.core.labels import Patch
from napari_segsam.engine.history import inverse, joined


def patches(voxels, parts):
    """What writes each part's value at its indices, one after another, and what comes of that."""
    after = voxels.copy()
    made = []
    for indices, value in parts:
        at = np.array(indices, np.int64)
        made.append(Patch("part", at, after[at].copy(), np.full(len(at), value, np.uint16)))
        after[at] = value
    return made, after


@pytest.mark.parametrize(
    "parts",
    [
        [([0, 2, 4], 5), ([1, 3], 6)],
        [([0, 2, 4], 5), ([4, 2, 1], 6), ([2], 7)],
        [([3, 1], 5), ([1, 3], 5)],
        [([], 5), ([1], 6)],
        [([], 5)],
    ],
    ids=["apart", "over each other", "twice the same", "nothing first", "nothing"],
)
def test_patches_joined_do_and_undo_what_they_did_one_by_one(parts):
    before = np.arange(10, 16, dtype=np.uint16)
    made, after = patches(before, parts)
    one = joined("all", made)
    assert len(np.unique(one.indices)) == len(one)
    voxels = before.copy()
    voxels[one.indices] = one.after
    assert np.array_equal(voxels, after)
    back = inverse(one)
    voxels[back.indices] = back.after
    assert np.array_equal(voxels, before)
