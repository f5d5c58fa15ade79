"""What an object takes and gives back, where many commits made it."""

import numpy as np
import pytest

from napari_segsam.core.slices import SliceView
from napari_segsam.engine.objects import Drawn
from napari_segsam.engine.session import Session
from tests.fakes import block_volume

SLICES = 60


@pytest.fixture
def tall():
    """One object on many slices, most of it inside another one."""
    session = Session(block_volume((24, 20, SLICES)))
    below = np.flatnonzero(np.broadcast_to(np.arange(24)[:, None, None] < 9, session.labels.voxels.shape))
    session.labels.voxels.reshape(-1)[below] = 7
    session.record_stroke(below, np.zeros(len(below), np.uint16))
    for k in range(1, SLICES - 1):
        view = SliceView(session.volume, 2, k)
        session.draw(1, [Drawn(view, view.pixels == 60)], "propagate", goes_on=k > 1)
    return session


@pytest.fixture
def looked_up(monkeypatch):
    """How many voxels were searched for among others, each time."""
    counts, search = [], np.searchsorted

    def counted(among, wanted, *rest, **more):
        counts.append(np.size(wanted))
        return search(among, wanted, *rest, **more)

    monkeypatch.setattr(np, "searchsorted", counted)
    return counts


def test_a_deleted_object_is_looked_through_once_and_not_once_for_each_of_its_slices(tall, looked_up):
    size = int((tall.labels.voxels == 1).sum())
    assert size > 90 * SLICES
    tall.delete(1)
    assert sum(looked_up) == size


def test_what_a_deleted_object_lay_on_comes_back_on_all_slices(tall):
    tall.delete(1)
    assert (tall.labels.voxels[:9] == 7).all() and not tall.labels.voxels[9:].any()


def test_what_lies_beneath_does_not_depend_on_the_order_in_which_it_is_asked(tall):
    indices = np.flatnonzero(tall.labels.voxels == 1)
    mixed = np.random.default_rng(0).permutation(len(indices))
    beneath = tall.beneath(1, indices)
    assert set(beneath) == {0, 7}
    assert np.array_equal(tall.beneath(1, indices[mixed]), beneath[mixed])


def test_where_commits_cross_the_newest_knows_what_came_between(tall):
    crossing = SliceView(tall.volume, 0, 3)
    cut = crossing.flat_indices(np.ones(crossing.shape, bool))
    before = tall.labels.voxels.reshape(-1)[cut].copy()
    tall.labels.voxels.reshape(-1)[cut] = 9
    tall.record_stroke(cut, before)
    tall.draw(1, [Drawn(crossing, crossing.pixels == 60)], "propagate")
    tall.delete(1)
    assert (tall.labels.voxels.reshape(-1)[cut] == 9).all()
