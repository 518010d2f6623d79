"""Ranking of proposals: all are measured as crops, the best are judged in the photo."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deid.compositing.proposal import Proposal
from deid.verification.gate import Gate, SourceFace, utility

#: Number of the best proposals that are pasted and judged in the photo.
_JUDGED = 4


def promising(
    gate: Gate, source: SourceFace, proposals: Sequence[Proposal], expected: NDArray[np.float64], accepted: bool = False
) -> list[int]:
    """Which of the proposals are worth judging in the photo, best first: at least one.

    What was measured and what the selector expected count together, for it was taught by one recogniser more than the gate has.

    Args:
        gate: measures them.
        source: the face before.
        proposals: N new faces for its place.
        expected: (M,) what the selector expects of each.
        accepted: see `Gate.judge`.
    """
    if len(proposals) == 1:
        return [0]
    checks = gate.measure(source, np.stack([p.blended for p in proposals]), accepted)

    def value(i: int) -> tuple[bool, float]:
        distance = min((d.value / d.threshold for d in checks[i].distances), default=0.0)
        worth = float(utility(distance, checks[i].realism or 0.0)) * proposals[i].fit
        # A caller's editor may propose more than requested.
        return checks[i].passed, worth * expected[min(i, len(expected) - 1)]

    best = sorted(range(len(checks)), key=value, reverse=True)[:_JUDGED]
    return [i for i in best if checks[i].passed] or best[:1]
