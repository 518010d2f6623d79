"""Ranking of proposals: all are measured as crops, the best are judged in the photo."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Distance, Verification
from deid.verification.utility import utility

#: Number of the best proposals that are pasted and judged in the photo.
_JUDGED = 4
#: A new face is far from the one before from so many thresholds on, by embedder. Of strangers of one gender four in five are as far apart;
#: of new faces of one person, those that one network finds farther are farther for one that it does not know (weights/EXPERIMENTS.md).
_FAR, _USUAL_FAR = {"mobilenet": 1.2}, 1.3


def margin(check: Verification) -> float:
    """Distance of a new face from the one before, by the recogniser that finds it nearest.

    Returns:
        In thresholds of dlib's network, to which the others' are scaled; 0 where nothing was asked.
    """
    return margin_of(check.distances)


def margin_of(distances: Sequence[Distance]) -> float:
    """`margin` of distances, one per embedder."""
    return min(map(_margin, distances), default=0.0)


def usual_far(embedder: str) -> float:
    """From how many of its thresholds on an embedder finds a new face far: of a stricter one, fewer."""
    return _FAR.get(embedder, _USUAL_FAR)


def _margin(distance: Distance) -> float:
    times = distance.value / distance.threshold
    return times if times < 1 else 1 + (times - 1) * (_USUAL_FAR - 1) / (usual_far(distance.embedder) - 1)


def is_far(margin: float) -> bool:
    """Whether a new face lies as far from the one before as most strangers, by `margin`."""
    return margin >= _USUAL_FAR


def promising(checks: Sequence[Verification], fit: Sequence[float], expected: NDArray[np.float64]) -> list[int]:
    """Which of several new faces are worth judging in the photo: their numbers, best first, at least one.

    The measurement and the selector's estimate count together: the selector was trained with one recogniser more than the gate has.

    Args:
        checks: what the gate measured of N of them.
        fit: (N,) how well each fits the photo, in [0, 1].
        expected: (M,) what the selector expects of each.
    """

    def value(i: int) -> tuple[bool, float]:
        worth = float(utility(margin(checks[i]), checks[i].realism or 0.0)) * fit[i]
        # A caller's editor may propose more than requested.
        return checks[i].passed, worth * expected[min(i, len(expected) - 1)]

    best = sorted(range(len(checks)), key=value, reverse=True)[:_JUDGED]
    return [i for i in best if checks[i].passed] or best[:1]
