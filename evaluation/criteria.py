"""Limits: when a line of the report counts as protection.

They are set so that untouched photos fail each of them, and a solid cover passes each of them.
"""

import math
from dataclasses import dataclass

from evaluation.metrics.bootstrap import Interval

#: Faces whose distance must be over the threshold; the rest is what a threshold at FMR 1e-3 and a hundred faces can show.
LEAST_OVER_THRESHOLD = 0.99
#: 0.5 is chance; preserving gender and pose leaves a little above it.
MOST_AUC, LEAST_EER = 0.60, 0.40
#: 0 is unlinkable; the shuffled control of 300 pairs measures up to about 0.1.
MOST_D_SYS = 0.20


@dataclass(frozen=True, slots=True)
class Verdict:
    """A limit in words, and whether it holds; None when it cannot be measured."""

    limit: str
    passed: bool | None


def at_most(value: float, limit: float, text: str = "") -> Verdict:
    """Whether a value is at most a limit."""
    return Verdict(text or f"at most {limit:g}", None if math.isnan(value) else value <= limit)


def at_least(value: float, limit: float, text: str = "") -> Verdict:
    """Whether a value is at least a limit."""
    return Verdict(text or f"at least {limit:g}", None if math.isnan(value) else value >= limit)


def down_to_chance(interval: Interval, chance_high: float, untouched: Interval | None = None) -> Verdict:
    """Whether the interval reaches down to what knowing nothing gives (the upper end of its 95 % interval).

    Where untouched photos would pass as well, there are too few of them for a verdict.
    """
    bound = f"{100 * chance_high:.1f} %"
    if untouched is not None and not _lower_end(untouched) > chance_high:
        return Verdict(f"too few people: untouched photos reach {bound} too (upper end of chance)", None)
    low = _lower_end(interval)
    return at_most(low, chance_high, f"interval reaches {bound} (upper end of chance)")


def _lower_end(interval: Interval) -> float:
    return interval.value if math.isnan(interval.low) else interval.low
