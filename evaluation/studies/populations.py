"""Measures of sets of faces: a search in a gallery, distances between people, likeness to photos."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deid.check.recognition import distance_of
from deid.core.types import Embeddings
from evaluation.metrics import identification
from evaluation.metrics.bootstrap import Interval, mean_interval, share_interval
from evaluation.metrics.realism import fid, kid
from evaluation.results import Measure, measure
from evaluation.scoring import Trial

_RESAMPLES = 20
_METRICS = (("KID x 1000", kid, 1000.0), ("FID", fid, 1.0))


def search(rows: Embeddings, gallery: Embeddings, own: NDArray[np.int64], people: Sequence[str]) -> Trial:
    """Probes (N, D) of these people against a gallery (G, D) in which the column of each is ``own`` (N,)."""
    return Trial(np.asarray(rows, np.float64) @ np.asarray(gallery, np.float64).T, own, np.asarray(people))


def rank_one_lines(
    section: str, trial: Trial, control: Trial, by: str, groups: Mapping[str, NDArray[np.bool_]], seed: int
) -> list[Measure]:
    """Share of the probes, for each group (N,), whose own person is found first.

    Beside it stand the same search with untouched photos, and the names shuffled at random.
    """
    name, note, found = f"rank 1, gallery of {trial.scores.shape[1]}", "another photo of the person is in the gallery", []
    for group, mask in groups.items():
        if mask.any():
            some, untouched = trial.where(mask), float(_found_first(control.where(mask)).mean())
            interval = share_interval(_found_first(some), list(some.people), seed)
            chance = identification.chance(some.scores, some.own, 1, seed)[0]
            common = {"recogniser": by, "group": group, "note": note}
            found.append(measure(section, name, interval, None, better="lower", unit="%", control=untouched, chance=chance, **common))
    return found


def _found_first(trial: Trial) -> NDArray[np.float64]:
    return identification.hits(identification.ranks(trial.scores, trial.own), 1)


def stranger_distances(rows: Embeddings, male: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """L2 distances (M,) of all pairs of rows (N, D) of one gender (N,), and the first row (M,) of each pair."""
    same = np.equal.outer(np.asarray(male), np.asarray(male))
    i, j = np.nonzero(np.triu(same, 1))
    table = np.asarray(rows, np.float64)
    return distance_of((table[i] * table[j]).sum(axis=1)), i


def stranger_line(section: str, name: str, rows: Embeddings, male: ArrayLike, people: Sequence[str], by: str, seed: int) -> Measure:
    """Mean distance of different people of one gender."""
    gaps, first = stranger_distances(rows, male)
    interval = mean_interval(gaps, [people[i] for i in first], seed)
    return measure(section, name, interval, better="higher", recogniser=by, note="pairs of one gender")


def realism_lines(real: NDArray[np.float64], sets: Mapping[str, NDArray[np.float64]], against: str, by: str, seed: int) -> list[Measure]:
    """KID and FID of sets of features (N, D) against photos of other people (M, D), and their KID as a share of one set's.

    Args:
        real: of the photos.
        sets: by name.
        against: the name of the set whose KID is 100 %.
        by: which features.
        seed: of the halves that the intervals come from.
    """
    found, note = [], f"against {len(real)} photos of other people"
    for name, some in sets.items():
        for label, metric, scale in _METRICS:
            interval = _spread(metric, scale, real, some, seed)
            found.append(measure("realism", f"{label}, {name}", interval, better="lower", recogniser=by, note=note))
    whole = kid(real, sets[against])
    for name, some in sets.items():
        if name != against:
            text, share = f"KID, {name}, as a share of {against}", kid(real, some) / whole
            found.append(Measure(section="realism", name=text, value=share, n=len(some), better="lower", unit="%", recogniser=by))
    return found


def _spread(
    metric: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
    scale: float,
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    seed: int,
) -> Interval:
    """A metric of two sets, times a scale, with its spread over halves of both, scaled to all of them.

    Drawing with replacement would put equal faces into a set, which KID and FID read as a difference.
    """
    rng = np.random.default_rng(seed)

    def half(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows[rng.permutation(len(rows))[: max(2, len(rows) // 2)]]

    values = [scale * metric(half(a), half(b)) for _ in range(_RESAMPLES)]
    value, spread = scale * metric(a, b), 1.96 * float(np.std(values)) / np.sqrt(2)
    return Interval(value, value - spread, value + spread, len(b), len(b))
