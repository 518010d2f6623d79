"""Identification against detection, for every method at several strengths: the lower right corner is the best place.

Identification is the better of two attackers: one with a gallery of untouched photos, and one who ran the same tool on the
gallery. The first alone flatters blur and mosaic.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial

from deid.exceptions import DependencyError, WeightsError
from evaluation import methods
from evaluation.methods import Method
from evaluation.recognisers import fingerprint
from evaluation.results import Curve, Measure, Results, environment, measure
from evaluation.studies.bench import Bench, Outcome
from evaluation.studies.options import StudyOptions

log = logging.getLogger(__name__)

_BLUR_SHARES = (0.04, 0.06, 0.09, 0.13, 0.18, 0.25)
_CELLS = (24, 16, 12, 8, 6)
_DEFACE_MODES = ("blur", "mosaic", "solid")


def settings_of(seed: int) -> dict[str, list[tuple[str, Callable[[], Method]]]]:
    """Families of methods: each a list of a setting's name and a builder."""
    return {
        "untouched": [("", methods.untouched)],
        "blur": [(f"sigma {share:g} of the face", partial(methods.blur, share)) for share in _BLUR_SHARES],
        "pixelate": [(f"{cells} cells", partial(methods.pixelate, cells)) for cells in _CELLS],
        "solid": [("", methods.solid)],
        "attgan": [("deid's default", partial(methods.attgan, seed))],
        "deface": [(mode, partial(methods.deface, mode)) for mode in _DEFACE_MODES],
    }


def frontier(options: StudyOptions) -> Results:
    """Rank 1 and recall of every method; what is not installed is named and left out."""
    bench = Bench(options)
    families = settings_of(options.seed)
    options.stage("methods", sum(len(f) for f in families.values()))
    measures: list[Measure] = []
    curves: list[Curve] = []
    absent: list[str] = []
    for family, choices in families.items():
        points: dict[str, list[tuple[float, float]]] = {}
        for name, build in choices:
            try:
                outcome = bench.run(build(), parrot=True)
            except (DependencyError, WeightsError) as error:
                log.warning("%s left out: %s", family, error)
                absent.append(f"{family} {name}: {error}".strip())
                continue
            finally:
                options.tick()
            lines = _lines(bench, f"{family}, {name}" if name else family, outcome, options.seed)
            measures += lines
            for recogniser in bench.recognisers:
                rank = max(m.value for m in lines if m.recogniser == recogniser.name)
                points.setdefault(recogniser.name, []).append((lines[-len(bench.observer.detectors)].value, rank))
        curves += _family_curves(family, points)
    return Results(
        kind="study",
        title="frontier: identification against detection",
        settings={
            "data": "LFW, people that no generator was trained on",
            "people": len(bench.names),
            "seed": options.seed,
            "recognisers": {r.name: fingerprint(r) for r in bench.recognisers},
            "left out": absent,
        },
        environment=environment(),
        measures=tuple(measures),
        curves=tuple(curves),
    )


def _lines(bench: Bench, name: str, outcome: Outcome, seed: int) -> list[Measure]:
    """Rank 1 by each recogniser in both galleries, then recall by each detector."""
    note = f"gallery of {len(bench.names)} people"
    ranks = [
        measure(name, f"rank 1, {gallery}", outcome.rank_one(r.name, seed, alike), better="lower", unit="%", recogniser=r.name, note=note)
        for r in bench.recognisers
        for alike, gallery in ((False, "untouched gallery"), (True, "gallery edited alike"))
    ]
    recalls = [
        measure(name, "recall", outcome.recall(k, seed), better="higher", unit="%", recogniser=d.name)
        for k, d in enumerate(bench.observer.detectors)
    ]
    return ranks + recalls


def _family_curves(family: str, points: dict[str, list[tuple[float, float]]]) -> Iterable[Curve]:
    for recogniser, rows in points.items():
        yield Curve(plot="tradeoff", label=family, recogniser=recogniser, x=[x for x, _ in rows], y=[y for _, y in rows])
