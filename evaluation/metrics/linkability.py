"""Linkability: the tie between a de-identified face and the person, without a threshold."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def local_linkability(likelihood_ratio: ArrayLike, prior_ratio: float = 1.0) -> NDArray[np.float64]:
    """How far a score of this likelihood ratio ties two templates together, in [0, 1].

    Formula: ``D(s) = 2 LR w / (1 + LR w) - 1`` where ``LR w > 1``, else 0. Direction: lower means more privacy.
    Paper: M. Gomez-Barrero et al., "General Framework to Evaluate Unlinkability in Biometric Template Protection Systems",
    TIFS 2018, eq. 8.
    """
    ratio = np.asarray(likelihood_ratio, np.float64) * prior_ratio
    certain = np.isinf(ratio)
    finite = np.where(certain, 0.0, ratio)
    return np.where(certain, 1.0, np.maximum(2 * finite / (1 + finite) - 1, 0.0))


def d_sys(mated: ArrayLike, non_mated: ArrayLike, weights: ArrayLike | None = None, prior_ratio: float = 1.0) -> float:
    """Global linkability of a system.

    Formula: ``D_sys = sum_s p(s | mated) D(s)`` over a common histogram with one bin for ten mated pairs, at least 5 and at
    most 100 of them, as in the authors' code: finer bins read noise as linkability.
    Direction: 0 is unlinkable, 1 is fully linkable; lower means more privacy. Few pairs push it up, so that an interval that
    excludes 0 is no proof of a leak: compare with the shuffled control. Paper: Gomez-Barrero et al. 2018, eq. 9.

    Args:
        mated: (M,) scores.
        non_mated: (N,) scores.
        weights: (M + N,) of the pairs, mated first.
        prior_ratio: P(mated) / P(non-mated).
    """
    first, second = np.asarray(mated, np.float64), np.asarray(non_mated, np.float64)
    every = np.concatenate([first, second])
    w = np.ones(len(every)) if weights is None else np.asarray(weights, np.float64)
    edges = np.linspace(every.min(), every.max() + 1e-9, int(np.clip(len(first) // 10, 5, 100)) + 1)
    p_mated = _distribution(first, w[: len(first)], edges)
    p_other = _distribution(second, w[len(first) :], edges)
    ratio = np.divide(p_mated, p_other, out=np.full_like(p_mated, np.inf), where=p_other > 0)
    return float((p_mated * local_linkability(ratio, prior_ratio))[p_mated > 0].sum())


def _distribution(scores: NDArray[np.float64], weights: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    counts, _ = np.histogram(scores, edges, weights=weights)
    return np.asarray(counts / max(counts.sum(), 1e-12))
