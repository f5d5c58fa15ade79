from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segsam.core.terminology import Vocabulary
from napari_segsam.train import standing
from napari_segsam.train.augment import Bend
from napari_segsam.train.data.dataset import SAMed2D, load
from napari_segsam.train.losses import SetTargets
from napari_segsam.train.standing import OnSlice, Standing
from tests.tiny import NAMES, TINY_NANO
from tests.train import sa_med2d
from tests.train.sa_med2d import disk

ALL = torch.ones(3, dtype=torch.bool)


def cells(*masks):
    return torch.stack([torch.from_numpy(m.astype(np.float32)) for m in masks])


@pytest.mark.parametrize("radius", [2, 5, 10])
def test_of_a_bent_slice_the_prompted_object_leaves_nothing_of_its_class(radius):
    """Its edge would, if it were bent apart from its class."""
    liver, spleen = disk(20, 20, radius, 64), disk(45, 40, 6, 64)
    whole = OnSlice(SetTargets(torch.tensor([0, 1]), cells(liver, spleen), ALL), cells(liver, spleen))
    for seed in range(20):
        bent = whole.bent(Bend.drawn(np.random.default_rng(seed)), (64, 64))
        assert bent.present().classes.tolist() == [0, 1]
        assert bent.without(0, 0).classes.tolist() == [1]
        assert bent.without(1, 1).classes.tolist() == [0]


def test_a_class_with_another_instance_stays():
    one, two = disk(15, 15, 6, 64), disk(45, 45, 6, 64)
    both = OnSlice(SetTargets(torch.tensor([2]), cells(one | two), ALL), cells(one, two))
    left = both.without(0, 2)
    assert left.classes.tolist() == [2]
    assert float(left.masks.sum()) == two.sum()


def test_nothing_stands_in_the_padding_of_a_bent_slice():
    low = disk(28, 30, 4, 64)
    wide = OnSlice(SetTargets(torch.tensor([0]), cells(low), ALL), cells(low))
    for seed in range(20):
        bent = wide.bent(Bend.drawn(np.random.default_rng(seed)), (32, 64))
        assert float(bent.targets.masks[:, 32:].sum()) == 0


@pytest.fixture
def samples(tmp_path):
    return load(SAMed2D(sa_med2d.write(tmp_path / "data")), Vocabulary(NAMES))


def standing_of(samples, **choices):
    told = dict.fromkeys("AB", np.ones(3, bool))
    return Standing(samples, told, replace(TINY_NANO, **choices))


def test_of_more_classes_than_queries_some_are_drawn_and_none_is_denied(samples):
    few = standing_of(samples, n_co=1)
    drawn = [few.of(0, [0], np.random.default_rng(seed)).targets for seed in range(20)]
    assert {tuple(t.classes.tolist()) for t in drawn} == {(0,), (1,)}
    assert all(t.told_absent.tolist() == [False, False, True] for t in drawn)


def test_queries_that_stand_for_classes_are_told_of_all_of_them(samples):
    targets = standing_of(samples, n_co=1, co="class_queries").of(0, [0], np.random.default_rng(0)).targets
    assert targets.classes.tolist() == [0, 1]


def test_what_is_remembered_is_bounded_in_bytes(samples, monkeypatch):
    monkeypatch.setattr(standing, "_KEPT", 2 * 2 * 16 * 16 * 2)  # two slices of two classes
    looked = standing_of(samples)
    before = [looked.of(i, [0], np.random.default_rng(0)).targets.masks for i in range(6)]
    assert len(looked.kept) == 2
    again = [looked.of(i, [0], np.random.default_rng(0)).targets.masks for i in range(6)]
    assert all(torch.equal(a, b) for a, b in zip(before, again, strict=True))
