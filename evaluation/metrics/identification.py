"""Closed-set identification: ranks of a probe in a gallery of people.

ISO/IEC 19795-1; P. Grother, M. Ngan, "Face Recognition Vendor Test: Identification", NIST IR 8009, 2014.

Convention:
    Scores are (P, G), probes by people of the gallery, higher is more alike; `own` (P,) is the column of each probe's
    person. Scores that tie are broken at random, and the expected result is given: a method that makes all faces equal
    gets chance, not luck.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """How many people of the gallery score higher than, and equal to, each probe's own (itself among the equal)."""

    above: NDArray[np.int64]
    equal: NDArray[np.int64]


def ranks(scores: ArrayLike, own: ArrayLike) -> Ranks:
    """Rank of each probe's own person in the gallery.

    Formula: ``above_p = #{g: s_pg > s_p,own}``, ``equal_p = #{g: s_pg = s_p,own}``.
    Direction: higher ranks mean more privacy. Paper: NIST IR 8009, section 3.

    Args:
        scores: (P, G).
        own: (P,) columns.

    Examples:
        >>> ranks([[0.9, 0.1]], [1]).above
        array([1])
    """
    table, columns = np.asarray(scores, np.float64), np.asarray(own, np.int64)
    mine = table[np.arange(len(table)), columns][:, None]
    return Ranks((table > mine).sum(axis=1), (table == mine).sum(axis=1))


def hits(found: Ranks, k: int) -> NDArray[np.float64]:
    """Probability, in [0, 1] per probe, that the own person is among the first ``k``.

    Formula: ``min(max((k - above) / equal, 0), 1)``: 0 or 1 without ties, the expectation over tie-breaks with them.
    Direction: lower means more privacy. Its mean is the rank-``k`` identification rate. Paper: NIST IR 8009.

    Args:
        found: of `ranks`.
        k: number of candidates that the attacker inspects.
    """
    return np.clip((k - found.above) / found.equal, 0.0, 1.0)


def cmc(found: Ranks, gallery_size: int) -> NDArray[np.float64]:
    """Cumulative match characteristic: the rank-k rate for k = 1 .. gallery size, shape (G,).

    Formula: ``CMC(k) = mean_p hits_p(k)``. Direction: lower means more privacy; the diagonal k / G is chance.
    Paper: ISO/IEC 19795-1, section 4.6.
    """
    return np.array([hits(found, k).mean() for k in range(1, gallery_size + 1)])


def chance(scores: ArrayLike, own: ArrayLike, k: int, seed: int = 0, n_permutations: int = 500) -> tuple[float, float, float]:
    """What the same scores give when the names are shuffled: mean, 2.5th and 97.5th percentile of the rank-k rate.

    Formula: the rank-k rate after a random permutation of `own`, repeated. Measured, not assumed: it holds for galleries
    in which a few faces attract every probe, where k / G is off.
    Direction: none; what a method must come down to. Paper: P. Good, "Permutation Tests", 1994.

    Args:
        scores: (P, G).
        own: (P,) columns.
        k: number of candidates that the attacker inspects.
        seed: of the permutations.
        n_permutations: how many.
    """
    table, columns = np.asarray(scores, np.float64), np.asarray(own, np.int64)
    rng = np.random.default_rng(seed)
    rates = [hits(ranks(table, rng.permutation(columns)), k).mean() for _ in range(n_permutations)]
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(np.mean(rates)), float(low), float(high)
