"""The built-in sample: a plausible CT, always the same one, with its truth."""

import time
from pathlib import Path

import numpy as np

from napari_segsam.core.terminology import read_cards
from napari_segsam.io.phantom import sample
from napari_segsam.io.phantom.sample import torso_phantom, torso_phantom_labels

CARDS = Path(__file__).resolve().parents[3] / "weights" / "class_cards.toml"


def mean_of(name: str) -> float:
    labels = torso_phantom_labels()
    value = next(v for v, label in labels.labels.items() if label.name == name)
    return float(torso_phantom().voxels[labels.voxels == value].mean())


def middle_mm(name: str) -> np.ndarray:  # type: ignore[type-arg]
    labels = torso_phantom_labels()
    value = next(v for v, label in labels.labels.items() if label.name == name)
    return np.asarray(labels.grid.to_mm(np.argwhere(labels.voxels == value).mean(0)))


def test_it_is_drawn_in_a_moment_and_always_alike() -> None:
    sample._drawn.cache_clear()
    start = time.perf_counter()
    first = torso_phantom()
    assert time.perf_counter() - start < 10  # two seconds where nothing else runs
    sample._drawn.cache_clear()
    assert np.array_equal(first.voxels, torso_phantom().voxels)
    assert first.modality == "ct" and first.voxels.dtype == np.int16 and first.grid.axis_codes == "LPS"


def test_changing_it_does_not_change_the_next_one() -> None:
    torso_phantom().voxels[:] = 0
    torso_phantom_labels().voxels[:] = 0
    assert torso_phantom().voxels.min() < -900 and torso_phantom_labels().voxels.any()


def test_tissues_have_their_hounsfield_units() -> None:
    assert -900 < mean_of("lung") < -750
    assert 95 < mean_of("liver") < 125
    assert 150 < mean_of("kidney_left") < 200
    assert mean_of("aorta") > 200 and mean_of("vertebrae") > 250


def test_organs_lie_on_their_side() -> None:
    assert middle_mm("liver")[0] < -30 < 30 < middle_mm("spleen")[0]
    assert middle_mm("kidney_right")[0] < 0 < middle_mm("kidney_left")[0]
    assert middle_mm("vertebrae")[1] > middle_mm("aorta")[1] > middle_mm("stomach")[1]
    assert middle_mm("lung")[2] > middle_mm("kidney_left")[2]


def test_every_name_is_a_class_of_the_cards() -> None:
    known = set(read_cards(CARDS.read_text("utf-8")))
    assert {label.name for label in torso_phantom_labels().labels.values()} <= known


def test_truth_and_scan_lie_on_one_grid() -> None:
    scan, truth = torso_phantom(), torso_phantom_labels()
    assert scan.grid.matches(truth.grid)
    assert set(np.unique(truth.voxels)) == {0, *truth.labels}
