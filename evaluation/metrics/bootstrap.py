"""Intervals over people: photos of one person are not independent, so people are drawn, not photos.

B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 8 and 13 (cluster bootstrap, percentile interval).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value, its 95 % interval, and of how many items it is made.

    Args:
        value: the statistic of all items; NaN when there are none.
        low: lower end; NaN for fewer than two people.
        high: upper end.
        n: number of items.
        n_groups: number of people that they come from.
    """

    value: float
    low: float
    high: float
    n: int
    n_groups: int


def _weights(n_groups: int, n_resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each person is drawn in each resample, (n_resamples, n_groups)."""
    draws = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_resamples)
    return draws.astype(np.float64)


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)


def _exact(value: float, n_groups: int) -> tuple[float, float]:
    """Clopper-Pearson interval of all or none: resampling equal values would claim to be certain."""
    ci = binomtest(round(value * n_groups), n_groups).proportion_ci(CONFIDENCE, "exact")
    return float(ci.low), float(ci.high)


def mean_interval(values: ArrayLike, groups: Sequence[str], seed: int = 0, n_resamples: int = 1000) -> Interval:
    """Mean of values with its interval over groups.

    Formula: ``sum_g w_g S_g / sum_g w_g n_g`` for every resample, where ``w_g`` counts how often person ``g`` is drawn,
    ``S_g`` is the sum and ``n_g`` the number of that person's values; the 2.5th and 97.5th percentile are the interval.
    Direction: none of its own. Paper: Efron and Tibshirani 1993.

    Args:
        values: (N,) numbers, or shares in [0, 1].
        groups: (N,) whose value each is.
        seed: of the resampling.
        n_resamples: how many.

    Examples:
        >>> mean_interval([1.0, 0.0], ["a", "b"]).value
        0.5
    """
    array = np.asarray(values, np.float64)
    if not len(array):
        return Interval(float("nan"), float("nan"), float("nan"), 0, 0)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    value = float(array.mean())
    if len(names) < 2:
        return Interval(value, float("nan"), float("nan"), len(array), len(names))
    weights = _weights(len(names), n_resamples, seed)
    sums, counts = np.bincount(index, array), np.bincount(index)
    return Interval(value, *_percentiles((weights @ sums) / (weights @ counts)), len(array), len(names))


def share_interval(values: ArrayLike, groups: Sequence[str], seed: int = 0, n_resamples: int = 1000) -> Interval:
    """Mean of yes and no, as `mean_interval`, but honest where all agree.

    Formula: when all values are 0 or all are 1, every resample is equal; the exact binomial interval over people takes its
    place, so that 0 of 30 people is not sold as "certainly none".
    Direction: none of its own. Paper: C. Clopper, E. Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of
    the Binomial", Biometrika 1934.

    Args:
        values: (N,) booleans, or probabilities in [0, 1].
        groups: (N,) whose value each is.
        seed: of the resampling.
        n_resamples: how many.

    Examples:
        >>> round(share_interval([0, 0, 0], ["a", "b", "c"]).high, 2)
        0.71
    """
    array = np.asarray(values, np.float64)
    n_groups = len(set(groups))
    if n_groups > 1 and ((array == 0).all() or (array == 1).all()):
        return Interval(float(array[0]), *_exact(float(array[0]), n_groups), len(array), n_groups)
    return mean_interval(array, groups, seed, n_resamples)


def weighted_interval(
    statistic: Callable[[NDArray[np.float64]], float], groups: Sequence[str], n: int, seed: int = 0, n_resamples: int = 200
) -> Interval:
    """Interval of any statistic that takes a weight per item, moved so that the resamples' mean is the value.

    Formula: for every resample ``T(w_g(1), ..., w_g(N))``, where ``w_g(i)`` counts how often the person of item ``i`` is drawn;
    the percentiles of ``T - mean(T) + T(1, ..., 1)`` are the interval.
    Direction: none of its own. Paper: Efron and Tibshirani 1993, ch. 10 (correction of bias) and 13.

    Args:
        statistic: from weights (N,), how often each item is drawn, to a number.
        groups: (N,) the person of each item.
        n: the number of items to report (mated pairs, say, where the items are all pairs).
        seed: of the resampling.
        n_resamples: how many.

    Examples:
        >>> weighted_interval(lambda w: float(w @ [1.0, 0.0] / w.sum()), ["a", "b"], 2).value
        0.5
    """
    if not len(groups):
        return Interval(float("nan"), float("nan"), float("nan"), 0, 0)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    value = statistic(np.ones(len(index)))
    if len(names) < 2:
        return Interval(value, float("nan"), float("nan"), n, len(names))
    values = np.array([statistic(row[index]) for row in _weights(len(names), n_resamples, seed)])
    # A statistic such as D_sys reads repeated people as structure: its resamples lie too high by what their mean says.
    return Interval(value, *_percentiles(values - np.nanmean(values) + value), n, len(names))
