"""Realism of the output's faces as a set, against the untouched photos."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.faces import Face, crops_of
from evaluation.features import Features
from evaluation.metrics.bootstrap import Interval
from evaluation.metrics.realism import fid, kid
from evaluation.results import Measure, measure

_RESAMPLES = 40
#: Fewer faces than this say nothing about a distribution.
_LEAST = 20


def realism_lines(faces: Sequence[Face], features: Features, seed: int) -> list[Measure]:
    """FID and KID of aligned crops; the control is one half of the untouched faces against the other."""
    if len(faces) < _LEAST:
        note = f"not measured: {len(faces)} faces, {_LEAST} are needed"
        return [Measure(section="realism", name=name, value=float("nan"), n=len(faces), note=note) for name in ("FID", "KID x 1000")]
    before, after = features.compute(crops_of(faces, "before")), features.compute(crops_of(faces, "after"))
    people = np.array([f.identity for f in faces])
    halves = np.random.default_rng(seed).permutation(len(faces))
    a, b = before[halves[::2]], before[halves[1::2]]
    lines = []
    for name, metric, scale in (("FID", fid, 1.0), ("KID x 1000", kid, 1000.0)):
        low, high = _interval(metric, before, after, people, seed)
        interval = Interval(scale * metric(before, after), scale * low, scale * high, len(faces), len(set(people)))
        note = f"features: {features.name}; control: two halves of the untouched faces"
        lines.append(measure("realism", name, interval, better="lower", control=scale * metric(a, b), note=note))
    return lines


def _interval(
    metric: object, before: NDArray[np.float64], after: NDArray[np.float64], people: NDArray[np.str_], seed: int
) -> tuple[float, float]:
    """Spread over halves of the people, scaled to all of them.

    Drawing with replacement would put equal faces into a set, which FID and KID read as a difference.
    """
    assert callable(metric)
    rng, names, values = np.random.default_rng(seed), np.unique(people), []
    for _ in range(_RESAMPLES):
        some = np.isin(people, rng.permutation(names)[: max(2, len(names) // 2)])
        values.append(metric(before[some], after[some]))
    centre, spread = metric(before, after), 1.96 * float(np.std(values)) / np.sqrt(2)
    return centre - spread, centre + spread
