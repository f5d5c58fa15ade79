import numpy as np
import pytest

from napari_segsam.train.evaluation import bootstrap


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide_on_each_side():
    values = np.random.default_rng(1).normal(0.7, 0.2, 400)
    low, high = bootstrap.of_mean([values])
    error = values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.2 * error)


def test_masks_are_resampled_within_their_data_set():
    """Two data sets that differ and vary in nothing: no resample of masks moves the mean."""
    groups = [np.full(5, 0.2), np.full(20, 0.9)]
    assert bootstrap.of_mean(groups) == pytest.approx((0.76, 0.76))


def test_data_sets_are_resampled_too_for_the_mean_of_their_means():
    groups = [np.full(5, 0.2), np.full(20, 0.9)]
    assert bootstrap.of_mean_of_means(groups) == pytest.approx((0.2, 0.9))


def test_masks_within_a_drawn_data_set_are_resampled_as_well():
    rng = np.random.default_rng(0)
    steady = [np.full(10, 0.5) for _ in range(10)]
    unsteady = [rng.normal(0.5, 0.3, 10) for _ in range(10)]
    means = [np.full(10, g.mean()) for g in unsteady]
    assert np.ptp(bootstrap.of_mean_of_means(steady)) == pytest.approx(0)
    assert np.ptp(bootstrap.of_mean_of_means(unsteady)) > 1.2 * np.ptp(bootstrap.of_mean_of_means(means))


def test_the_same_values_always_give_the_same_interval():
    groups = [np.random.default_rng(n).random(n + 3) for n in range(4)]
    assert bootstrap.of_mean(groups) == bootstrap.of_mean(groups)
    assert bootstrap.of_mean_of_means(groups) == bootstrap.of_mean_of_means(groups)


def test_a_large_data_set_is_resampled_in_blocks_without_another_answer(monkeypatch):
    values = np.random.default_rng(0).random(50)
    whole = bootstrap.of_mean([values])
    monkeypatch.setattr(bootstrap, "_DRAWN_AT_ONCE", 1000)
    assert bootstrap.of_mean([values]) == pytest.approx(whole)


def test_a_ratio_resamples_its_pairs_together():
    seen = np.array([4.0, 0.0, 8.0, 2.0, 6.0])
    assert bootstrap.of_ratio(seen / 2, seen) == pytest.approx((0.5, 0.5))
    low, high = bootstrap.of_ratio(np.array([0.0, 1.0, 0.0, 1.0]), np.ones(4))
    assert (low, high) == pytest.approx((0.0, 1.0))


def test_of_one_value_there_is_no_interval():
    assert bootstrap.of_mean([np.array([0.5])]) is None
    assert bootstrap.of_mean([]) is None
    assert bootstrap.of_mean_of_means([np.array([0.5, 0.6])]) is None
    assert bootstrap.of_ratio(np.array([1.0]), np.array([1.0])) is None
    assert bootstrap.of_ratio(np.zeros(3), np.zeros(3)) is None


@pytest.mark.parametrize("values", [[1.0, 0.0, 0.0], [0.95, 0.9, 0.5], [1.0, 1.0, 0.9]])
def test_no_interval_of_a_share_leaves_nought_to_one(values):
    for found in (
        bootstrap.of_mean([np.array(values)]),
        bootstrap.of_mean_of_means([np.array(values), np.array(values[::-1])]),
    ):
        assert 0 <= found[0] < np.mean(values) < found[1] <= 1


def test_an_interval_of_gains_may_begin_below_nought():
    low, high = bootstrap.of_mean([np.array([-0.3, 0.1, -0.9])], within=(-1, 1))
    assert -1 <= low < -0.5 < 0 < high <= 1
