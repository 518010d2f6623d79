"""Privacy: distance of each face to its person, and searches for that person."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deid.check.recognition import WORKING_FMR, Embedded, distance_of
from evaluation import criteria
from evaluation.faces import Face
from evaluation.metrics.bootstrap import mean_interval, share_interval
from evaluation.pairs import Split, mated_and_non_mated, other_photo, same_photo, score_table
from evaluation.results import Curve, Measure, measure
from evaluation.scoring import Trial, pair_lines, rank_lines, search_curves, tar_lines

_SIZE_EDGES = (32.0, 64.0, 128.0)
_BINS = np.linspace(0.0, 2.0, 81)


def groups_of(faces: Sequence[Face]) -> dict[str, NDArray[np.bool_]]:
    """Masks (N,) of all faces, by gender and by size; empty groups are left out."""
    sizes, edges = np.array([f.size_px for f in faces]), (0.0, *_SIZE_EDGES, np.inf)
    groups = {"all": np.ones(len(faces), bool)}
    for gender in ("female", "male"):
        groups[gender] = np.array([f.gender == gender for f in faces], bool)
    for low, high in pairwise(edges):
        name = f"under {high:g} px" if low == 0 else f"over {low:g} px" if np.isinf(high) else f"{low:g}-{high:g} px"
        groups[name] = (sizes >= low) & (sizes < high)
    return {name: mask for name, mask in groups.items() if mask.any()}


def privacy(faces: Sequence[Face], found: Embedded, seed: int) -> tuple[list[Measure], list[Curve]]:
    """All privacy lines and curves of one recogniser."""
    if len(faces) < 2:
        return _distance_lines(faces, found, seed), []
    lines = _distance_lines(faces, found, seed)
    mains = np.array([i for i, f in enumerate(faces) if f.main], np.int64)
    names = [faces[i].identity for i in mains]
    split = other_photo(names)
    primary = split if len(split.probes) and len(split.gallery) > 1 else None
    same = _trials(found, np.arange(len(faces)), [f.identity for f in faces], same_photo(len(faces)))
    if primary is not None:
        trials = _trials(found, mains, names, primary)
        probes = [faces[mains[i]] for i in primary.probes]
        for group, mask in groups_of(probes).items():
            lines += rank_lines("privacy", found.recogniser, primary.name, trials[0].where(mask), trials[1].where(mask), seed, group)
    lines += rank_lines("privacy", found.recogniser, "the same photo", same[0], same[1], seed, floor=same[2])
    chosen = (trials if primary is not None else same)[:2]
    lines += tar_lines("privacy", found.recogniser, *chosen, found.thresholds, seed)
    lines += pair_lines("privacy", found.recogniser, *chosen, seed)
    curves = [c for label, t in zip(("output", "untouched"), chosen, strict=True) for c in search_curves(label, found.recogniser, t, seed)]
    return lines, curves + _distance_curves(found, chosen[1])


def _trials(found: Embedded, faces: NDArray[np.int64], names: Sequence[str], split: Split) -> tuple[Trial, Trial, Trial]:
    """The search with the output, with untouched photos and with covered faces as probes."""
    before, people = found.before[faces], np.asarray(names)[split.probes]
    tables = [score_table(before, probes[faces], split, names) for probes in (found.after, found.before, found.covered)]
    return Trial(tables[0], split.own, people), Trial(tables[1], split.own, people), Trial(tables[2], split.own, people)


def _distance_lines(faces: Sequence[Face], found: Embedded, seed: int) -> list[Measure]:
    lines, threshold, people = [], found.threshold, np.array([f.identity for f in faces])
    text = f"at least the threshold, {threshold:.3f}"
    for group, mask in groups_of(faces).items():
        distance = mean_interval(found.distances[mask], list(people[mask]), seed)
        over = share_interval(~found.recognised[mask], list(people[mask]), seed)
        common = {"recogniser": found.recogniser, "group": group, "better": "higher", "note": found.note, "control": 0.0}
        common["note"] = f"threshold {threshold:.3f} at FMR {WORKING_FMR:g}, {found.note}"
        least = criteria.at_least(over.value, criteria.LEAST_OVER_THRESHOLD, f"at least {100 * criteria.LEAST_OVER_THRESHOLD:g} %")
        lines.append(measure("privacy", "distance before to after", distance, criteria.at_least(distance.value, threshold, text), **common))
        lines.append(measure("privacy", "not recognised", over, least, unit="%", **common))
    return lines


def _distance_curves(found: Embedded, control: Trial) -> list[Curve]:
    """Histograms of distances: before to after, mates and strangers."""
    mated, others, _ = mated_and_non_mated(control.scores, control.own)
    samples = {
        "before to after": found.distances,
        "one person, untouched": distance_of(mated),
        "strangers, untouched": distance_of(others),
    }
    curves = []
    for label, values in samples.items():
        density, _ = np.histogram(values, _BINS, density=True)
        curves.append(Curve(plot="distance", label=label, recogniser=found.recogniser, x=_BINS.tolist(), y=np.nan_to_num(density).tolist()))
    return curves
