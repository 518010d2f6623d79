"""Lines of a report from a table of scores, the same for `compare` and for every attack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from deid.check.recognition import distance_of
from evaluation import criteria
from evaluation.metrics import identification, linkability, verification
from evaluation.metrics.bootstrap import Interval, share_interval, weighted_interval
from evaluation.pairs import mated_and_non_mated
from evaluation.results import Curve, Measure, measure

RANKS = (1, 5, 10)
#: More non-mated pairs than this are sampled for AUC, EER and D_sys: their intervals come from people, not from pairs.
_MOST_NON_MATED = 20_000
_MOST = {"AUC": criteria.MOST_AUC, "linkability D_sys": criteria.MOST_D_SYS}
#: From scores of mated and non-mated pairs, and a weight a pair, to a number.
_PairMetric: TypeAlias = Callable[..., float]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A search of probes in a gallery.

    Args:
        scores: (P, G) cosines; -inf for pairs that do not count.
        own: (P,) column of each probe's person.
        people: (P,) names of the probes' people.
    """

    scores: NDArray[np.float64]
    own: NDArray[np.int64]
    people: NDArray[np.str_]

    def where(self, mask: NDArray[np.bool_]) -> "Trial":
        """The same gallery with some of the probes."""
        return Trial(self.scores[mask], self.own[mask], self.people[mask])


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    mated: NDArray[np.float64]
    others: NDArray[np.float64]
    people: NDArray[np.str_]


def _pairs(trial: Trial, seed: int) -> _Pairs:
    mated, others, probe = mated_and_non_mated(trial.scores, trial.own)
    if len(others) > _MOST_NON_MATED:
        some = np.random.default_rng(seed).choice(len(others), _MOST_NON_MATED, replace=False)
        others, probe = others[some], probe[some]
    return _Pairs(mated, others, np.concatenate([trial.people, trial.people[probe]]))


def rank_lines(
    section: str, recogniser: str, gallery: str, trial: Trial, control: Trial, seed: int, group: str = "all", floor: Trial | None = None
) -> list[Measure]:
    """Rank 1, 5 and 10, with measured chance; only rank 1 for parts of the faces.

    Args:
        section: of the report.
        recogniser: its name.
        gallery: its description.
        trial: the search.
        control: the same with untouched photos.
        seed: of all resampling.
        group: which faces.
        floor: the same with every face in black; where hair and background identify people, no method comes down to chance.
    """
    ranks = [k for k in RANKS if k < trial.scores.shape[1] and (k == 1 or group == "all")]
    return [
        replace(
            _search_line(trial, control, floor, k, seed), section=section, name=f"rank {k}, {gallery}", recogniser=recogniser, group=group
        )
        for k in ranks
    ]


def _search_line(trial: Trial, control: Trial, floor: Trial | None, k: int, seed: int) -> Measure:
    """Share of the probes that are found among the first ``k``, against chance and against a black cover."""

    def rate(of: Trial) -> Interval:
        return share_interval(identification.hits(identification.ranks(of.scores, of.own), k), list(of.people), seed)

    interval, untouched = rate(trial), rate(control)
    chance, _, bound = identification.chance(trial.scores, trial.own, k, seed)
    note = f"gallery of {trial.scores.shape[1]} people"
    if floor is not None:
        black = rate(floor)
        bound, note = max(bound, black.high), f"{note}; with the face in black {100 * black.value:.1f} %"
    verdict = criteria.down_to_chance(interval, bound, untouched)
    return measure("", "", interval, verdict, better="lower", unit="%", control=untouched.value, chance=chance, note=note)


def tar_lines(section: str, recogniser: str, trial: Trial, control: Trial, thresholds: Mapping[float, float], seed: int) -> list[Measure]:
    """True accept rates at thresholds (scores) that were fixed on untouched photos, by false match rate."""
    mated, _, _ = mated_and_non_mated(trial.scores, trial.own)
    untouched, _, _ = mated_and_non_mated(control.scores, control.own)
    lines = []
    for fmr, threshold in thresholds.items():
        interval = share_interval(verification.accepted(mated, threshold), list(trial.people), seed)
        low = interval.value if np.isnan(interval.low) else interval.low
        lines.append(
            measure(
                section,
                f"TAR at FMR {fmr:g}",
                interval,
                criteria.at_most(low, fmr, f"interval reaches {100 * fmr:g} %"),
                better="lower",
                unit="%",
                recogniser=recogniser,
                control=float(verification.accepted(untouched, threshold).mean()),
                chance=fmr,
                note=f"distance {float(distance_of(threshold)):.3f}, fixed on untouched photos",
            )
        )
    return lines


def pair_lines(section: str, recogniser: str, trial: Trial, control: Trial, seed: int, floor: Trial | None = None) -> list[Measure]:
    """AUC, EER and the two linkabilities; ``floor`` as in `rank_lines`."""
    pairs, untouched = _pairs(trial, seed), _pairs(control, seed)
    shuffled = _pairs(Trial(trial.scores, np.random.default_rng(seed).permutation(trial.own), trial.people), seed)
    metrics: list[tuple[str, _PairMetric, str, str]] = [
        ("AUC", verification.auc, "lower", ""),
        ("EER", verification.eer, "higher", "%"),
        ("linkability D_sys", linkability.d_sys, "lower", ""),
    ]
    lines = [replace(_search_line(trial, control, floor, 1, seed), section=section, name="linkability (WP29)", recogniser=recogniser)]
    for name, metric, better, unit in metrics:
        interval = _pair_interval(metric, pairs, seed)
        verdict = _equal_error(interval.value) if name == "EER" else criteria.at_most(interval.value, _MOST[name])
        numbers = {"control": metric(untouched.mated, untouched.others), "chance": metric(shuffled.mated, shuffled.others)}
        note = f"{len(pairs.mated)} mated, {len(pairs.others)} non-mated pairs"
        lines.append(measure(section, name, interval, verdict, better=better, unit=unit, recogniser=recogniser, note=note, **numbers))
    return lines


def _equal_error(value: float) -> criteria.Verdict:
    return criteria.at_least(value, criteria.LEAST_EER, f"at least {100 * criteria.LEAST_EER:g} %")


def _pair_interval(metric: _PairMetric, pairs: _Pairs, seed: int) -> Interval:
    return weighted_interval(lambda w: metric(pairs.mated, pairs.others, w), list(pairs.people), len(pairs.mated), seed)


def search_curves(label: str, recogniser: str, trial: Trial, seed: int) -> list[Curve]:
    """ROC and CMC of a trial, thinned to what a plot shows."""
    pairs = _pairs(trial, seed)
    fmr, tar = verification.roc(pairs.mated, pairs.others)
    x = np.concatenate([[0.0], np.geomspace(1e-4, 1, 120)])
    rates = identification.cmc(identification.ranks(trial.scores, trial.own), trial.scores.shape[1])
    k = np.unique(np.geomspace(1, len(rates), 60).astype(int))
    return [
        Curve(plot="roc", label=label, recogniser=recogniser, x=x.tolist(), y=np.interp(x, fmr, tar).tolist()),
        Curve(plot="cmc", label=label, recogniser=recogniser, x=k.tolist(), y=rates[k - 1].tolist()),
    ]
