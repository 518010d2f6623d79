"""Verification: mated or non-mated pairs. Scores are cosines in [-1, 1], higher is more alike.

ISO/IEC 19795-1: FMR, the share of non-mated pairs that a threshold accepts; FNMR, the share of mated pairs that it rejects.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid


def accepted(scores: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """Which pairs (N,) a threshold accepts, as 0 or 1; the mean over mated pairs is the TAR, 1 - FNMR.

    Formula: ``s > t``. Direction: lower means more privacy for mated pairs. Paper: ISO/IEC 19795-1, section 4.5.
    """
    return (np.asarray(scores, np.float64) > threshold).astype(np.float64)


def auc(mated: ArrayLike, non_mated: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve: how likely a mated pair scores higher than a non-mated one.

    Formula: ``P(s_mated > s_non) + P(s_mated = s_non) / 2``. Direction: 0.5 is chance, 1 is an open book; lower means more
    privacy. Paper: J. Hanley, B. McNeil, Radiology 1982.

    Args:
        mated: (M,) scores.
        non_mated: (N,) scores.
        weights: (M + N,) of the pairs, mated first; equal when absent.
    """
    fmr, tar = roc(mated, non_mated, weights)
    return float(trapezoid(tar, fmr))


def roc(mated: ArrayLike, non_mated: ArrayLike, weights: ArrayLike | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False match rates and true accept rates at every threshold, rising.

    Formula: ``(P(s_non > t), P(s_mated > t))`` over ``t``. Direction: the lower curve is more private; the diagonal is chance.
    Paper: T. Fawcett, "An introduction to ROC analysis", 2006.

    scikit-learn's curves are equal, and take some 20 times as long for a few hundred pairs: each interval asks for 200 of them.

    Args:
        mated: (M,) scores.
        non_mated: (N,) scores.
        weights: (M + N,) of the pairs, mated first; equal when absent.
    """
    scores = np.concatenate([np.asarray(mated, np.float64), np.asarray(non_mated, np.float64)])
    kinds = np.arange(len(scores)) < len(np.asarray(mated))
    heavy = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    thresholds, place = np.unique(-scores, return_inverse=True)
    steps = [np.bincount(place, np.where(kind, heavy, 0.0), len(thresholds)) for kind in (~kinds, kinds)]
    fmr, tar = (np.concatenate([[0.0], np.cumsum(step) / step.sum()]) for step in steps)
    return fmr, tar


def eer(mated: ArrayLike, non_mated: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Equal error rate: where as many strangers are accepted as mates are rejected.

    Formula: the value at which ``FMR(t) = FNMR(t)``, interpolated along the ROC curve. Direction: 0 is an open book, 0.5 is
    chance; higher means more privacy. Paper: ISO/IEC 19795-1, annex.
    """
    fmr, tar = roc(mated, non_mated, weights)
    gap = fmr - (1 - tar)
    at = int(np.searchsorted(gap, 0.0))
    if at == 0:
        return float(fmr[0])
    share = -gap[at - 1] / max(gap[at] - gap[at - 1], 1e-12)
    return float(fmr[at - 1] + share * (fmr[at] - fmr[at - 1]))
