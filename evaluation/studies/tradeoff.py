"""Identification against detection over methods and strengths, shared by the frontier and the thesis' figure."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from deid.core.errors import DependencyError, WeightsError
from evaluation.methods import Method
from evaluation.results import Curve, Measure, measure
from evaluation.studies.bench import Bench, Outcome

log = logging.getLogger(__name__)

#: Kinds of methods, each with its settings: a name and a builder.
Families: TypeAlias = Mapping[str, Sequence[tuple[str, Callable[[], Method]]]]


@dataclass(slots=True)
class Tradeoff:
    """What a run over families found.

    Args:
        measures: rank 1 by each recogniser and recall by each detector, for every setting.
        points: by family, for every setting: recall of the first detector, and rank 1 by recogniser.
        absent: settings that are not installed, and why.
    """

    measures: list[Measure] = field(default_factory=list)
    points: dict[str, list[tuple[float, dict[str, float]]]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    def curves(self) -> list[Curve]:
        """A line a family in a panel a recogniser."""
        return [
            Curve(plot="tradeoff", label=family, recogniser=name, x=[x for x, _ in rows], y=[ranks[name] for _, ranks in rows])
            for family, rows in self.points.items()
            for name in rows[0][1]
        ]

    def strongest(self, labels: Mapping[str, str]) -> list[Curve]:
        """A line a family: the most that any recogniser finds. ``labels`` gives families other names."""
        return [
            Curve(
                plot="frontier",
                label=labels.get(family, family),
                recogniser="",
                x=[x for x, _ in rows],
                y=[max(ranks.values()) for _, ranks in rows],
            )
            for family, rows in self.points.items()
        ]


def tradeoff(bench: Bench, families: Families, section: str = "", alike: bool = False, tick: Callable[[], None] = lambda: None) -> Tradeoff:
    """Every setting of every family on the bench; what is not installed is named and left out.

    Args:
        bench: photos and recognisers.
        families: see `Families`.
        section: put before each setting's name.
        alike: whether to try a gallery as well that the method was run on; rank 1 is then the better of the two.
        tick: called after each setting.
    """
    found = Tradeoff()
    for family, settings in families.items():
        for name, build in settings:
            title = ", ".join(part for part in (section, family, name) if part)
            try:
                outcome = bench.run(build(), alike)
            except (DependencyError, WeightsError) as error:
                log.warning("%s left out: %s", title, error)
                found.absent.append(f"{title}: {error}")
                continue
            finally:
                tick()
            ranks, recalls = _rank_lines(bench, title, outcome, alike), _recall_lines(bench, title, outcome)
            found.measures += ranks + recalls
            best = {r.name: max(m.value for m in ranks if m.recogniser == r.name) for r in bench.recognisers}
            found.points.setdefault(family, []).append((recalls[0].value, best))
    return found


def _rank_lines(bench: Bench, title: str, outcome: Outcome, alike: bool) -> list[Measure]:
    """Rank 1 by each recogniser in each gallery."""
    galleries = {"untouched gallery": False} | ({"gallery edited alike": True} if alike else {})
    common: dict[str, Any] = {"better": "lower", "unit": "%", "note": f"gallery of {len(bench.names)} people"}
    return [
        measure(title, f"rank 1, {gallery}", outcome.rank_one(r.name, bench.seed, edited), recogniser=r.name, **common)
        for r in bench.recognisers
        for gallery, edited in galleries.items()
    ]


def _recall_lines(bench: Bench, title: str, outcome: Outcome) -> list[Measure]:
    """Recall by each detector, the first one first."""
    return [
        measure(title, "recall", outcome.recall(k, bench.seed), better="higher", unit="%", recogniser=d.name)
        for k, d in enumerate(bench.observer.detectors)
    ]
