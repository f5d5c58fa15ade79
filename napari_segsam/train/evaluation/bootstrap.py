"""95 % confidence intervals by resampling what was measured: how far a figure would move with other masks or data sets.

Percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13), 2,000 resamples with
a fixed seed, so that the same rows always give the same interval. Means of n values are stretched by sqrt(n / (n - 1))
round their own, and an interval ends where the figure cannot go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Interval = tuple[float, float]
SHARE: Interval = (0.0, 1.0)
"""Where Dice, IoU and shares lie."""

RESAMPLES = 2000
_SEED = 0
_PERCENT = (2.5, 97.5)
_DRAWN_AT_ONCE = 4_000_000
"""Values of one block of resamples; bounds the memory where a data set is large."""


def of_mean(groups: Sequence[Values], within: Interval = SHARE) -> Interval | None:
    """Interval of the mean over all values, each group resampled within itself.

    Args:
        groups: (n,) values of each data set, none of them empty.
        within: where the values can lie at all.

    Returns:
        The interval, None for fewer than two values: there is nothing to resample.
    """
    n = sum(map(len, groups))
    if n < 2:
        return None
    rng = np.random.default_rng(_SEED)
    several = [g for g in groups if len(g) > 1]
    alone = [g for g in groups if len(g) == 1]  # one value says nothing of how far it would move: these move together
    strata = [*several, np.concatenate(alone)] if alone else several
    sums = sum(len(g) * _resampled_means(g, RESAMPLES, rng) for g in strata)
    return _interval(np.asarray(sums) / n, within)


def of_mean_of_means(groups: Sequence[Values]) -> Interval | None:
    """Interval of the mean of the groups' means: groups are resampled, and values within each that was drawn.

    Args:
        groups: (n,) values in 0..1 of each data set, none of them empty.

    Returns:
        The interval, None for fewer than two groups.
    """
    if len(groups) < 2:
        return None
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(len(groups), size=(RESAMPLES, len(groups)))
    means = np.empty(drawn.shape)
    for number, values in enumerate(groups):
        here = drawn == number
        means[here] = _resampled_means(values, int(here.sum()), rng)
    return _interval(means.mean(1))


def of_ratio(numerators: Values, denominators: Values) -> Interval | None:
    """Interval of sum / sum, the pairs resampled together.

    Args:
        numerators: (n,) counts of each picture, none above its denominator.
        denominators: (n,) likewise.

    Returns:
        The interval, None for fewer than two pairs; resamples without anything to divide by are left out.
    """
    if len(numerators) < 2:
        return None
    rng = np.random.default_rng(_SEED)
    pairs = np.stack([numerators, denominators], 1)  # (n, 2)
    above, below = np.concatenate([pairs[b].sum(1) for b in _blocks(len(pairs), RESAMPLES, rng)]).T
    return _interval(above[below > 0] / below[below > 0]) if (below > 0).any() else None


def _resampled_means(values: Values, times: int, rng: np.random.Generator) -> Values:
    """(n,) -> (times,) means of resamples, their deviations stretched by sqrt(n / (n - 1)).

    A resample of few values varies too little otherwise (Rao and Wu, "Resampling Inference With Complex Survey Data",
    1988).
    """
    n = len(values)
    means = np.concatenate([values[b].mean(1) for b in _blocks(n, times, rng)] or [np.empty(0)])
    stretched: Values = values.mean() + (means - values.mean()) * np.sqrt(n / max(n - 1, 1))
    return stretched


def _blocks(n: int, times: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Resamples of ``n`` things as indices, (b, n) in each block, ``times`` rows in all."""
    most = max(_DRAWN_AT_ONCE // n, 1)
    for first in range(0, times, most):
        yield rng.integers(n, size=(min(most, times - first), n))


def _interval(resampled: Values, within: Interval = SHARE) -> Interval:
    low, high = np.clip(np.percentile(resampled, _PERCENT), *within)
    return float(low), float(high)
