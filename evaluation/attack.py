"""`attack`: two folders in, the success of each attacker out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deid.check.folders import pair_folders, read_pairs
from deid.core.errors import DataError
from deid.core.protocols import Embedder
from deid.core.types import Crops, Embeddings
from evaluation import detectors, recognisers
from evaluation.attacks import ATTACKS, Attack, Case
from evaluation.attacks.case import Search, split_people
from evaluation.attacks.context import Surroundings
from evaluation.compare import Progress
from evaluation.faces import Face, Observer
from evaluation.pairs import Split, other_photo, score_table
from evaluation.results import Curve, Measure, Results, environment
from evaluation.scoring import Trial, pair_lines, rank_lines, search_curves

#: What an attack is held against besides untouched photos. The black box hides hair, ears and jaw line, which no edit of the face
#: hides; one colour inside the mask leaves them, and is as far as a perfect edit of the face could come.
CONTROLS = {"blank": "mask blank", "floor": "face in black"}


@dataclass(frozen=True, slots=True)
class AttackOptions:
    """How a method is attacked.

    Args:
        onnx: further recognisers; none means the attacker's own, when it is in the data folder.
        attacks: names of `evaluation.attacks.ATTACKS`.
        steps: of training the reconstruction network.
        seed: of everything that is drawn.
    """

    onnx: tuple[Path, ...] = ()
    attacks: tuple[str, ...] = tuple(ATTACKS)
    steps: int = 400
    seed: int = 0


def attack(originals: Path, outputs: Path, options: AttackOptions | None = None, progress: Progress | None = None) -> Results:
    """Every attack on two folders with the same file names; people are split into those to train on and those to test on.

    Raises:
        DataError: a folder cannot be used, an attack is unknown, or too few people have two photos.
    """
    options, progress = options or AttackOptions(), progress or Progress()
    unknown = sorted(set(options.attacks) - set(ATTACKS))
    if unknown:
        raise DataError(f"unknown attack {', '.join(unknown)}; valid are {', '.join(ATTACKS)}")
    pairs, problems = pair_folders(originals, outputs)
    progress.stage("faces", len(pairs))
    observer = Observer(detectors.both_detectors(), context=True)
    photos = observer.observe(read_pairs(pairs, problems), progress.tick)
    found = recognisers.load(options.onnx)
    case, lines, curves = attack_faces([f for p in photos for f in p.faces], found, options, progress)
    settings = {
        "photos": len(photos),
        "people to train on": len(set(case.train.identities)),
        "photos to train on": len(case.train.identities),
        "people to test on": len(set(case.test.identities)),
        "photos to test on": len(case.test.identities),
        "steps": options.steps,
        "seed": options.seed,
        "detectors": {d.name: detectors.fingerprint(d) for d in observer.detectors},
        "recognisers": {r.name: {"sha256": recognisers.fingerprint(r)} for r in found},
    }
    return Results(
        kind="attack",
        title=f"{outputs.name} against {originals.name}",
        settings=settings,
        environment=environment(),
        measures=tuple(lines),
        curves=tuple(curves),
        problems=tuple(problems),
    )


def attack_faces(
    faces: Sequence[Face], found: Sequence[Embedder], options: AttackOptions, progress: Progress | None = None
) -> tuple[Case, list[Measure], list[Curve]]:
    """Every attack on observed faces: the case, the lines and the curves."""
    progress = progress or Progress()
    train, test = split_people(faces, options.seed)
    case = Case(train, test, options.seed, options.steps, progress.tick)
    split = other_photo(list(test.identities))
    searcher = _Searcher(case, split)
    lines: list[Measure] = []
    curves: list[Curve] = []
    for name in options.attacks:
        progress.stage(name, options.steps if name == "reconstruction" else len(found))
        built = ATTACKS[name](case)
        for recogniser in [*found, *([Surroundings()] if name == "context" else [])]:
            tried = searcher.tried(built, recogniser)
            lines += _lines(built, recogniser.name, tried, options.seed)
            curves += _curves(built.name, recogniser.name, tried, options.seed, first=name == options.attacks[0])
            if name != "reconstruction":
                progress.tick()
    return case, lines, [c for c in curves if c.recogniser != Surroundings.name]


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """An attack by one recogniser: on the output, on untouched photos, on faces in black, and on blank faces."""

    trial: Trial
    control: Trial
    floor: Trial | None
    blank: Trial | None


class _Searcher:
    """Runs attacks with recognisers; what was embedded once is kept."""

    def __init__(self, case: Case, split: Split) -> None:
        self._case, self._split = case, split
        self._kept: dict[tuple[str, int], tuple[Crops, Embeddings]] = {}

    def _embed(self, recogniser: Embedder, crops: Crops) -> Embeddings:
        key = (recogniser.name, id(crops))
        if key not in self._kept:
            # The crops are kept as well: an id is only good while its object lives.
            self._kept[key] = (crops, recogniser.embed(crops))
        return self._kept[key][1]

    def trial(self, built: Attack, search: Search, recogniser: Embedder) -> Trial:
        """One search of an attack."""
        rows = [self._embed(recogniser, crops) for crops in (search.gallery, search.probes)]
        if built.head is not None and search.train is not None:
            head = built.head(self._embed(recogniser, search.train), self._embed(recogniser, self._case.train.before))
            rows = [head(r) for r in rows]
        names = self._case.test.identities
        return Trial(score_table(rows[0], rows[1], self._split, list(names)), self._split.own, names[self._split.probes])

    def tried(self, built: Attack, recogniser: Embedder) -> _Tried:
        """The attack and its controls."""
        floor, blank = (None if search is None else self.trial(built, search, recogniser) for search in (built.floor, built.blank))
        return _Tried(self.trial(built, built.search, recogniser), self.trial(built, built.control, recogniser), floor, blank)


def _lines(built: Attack, recogniser: str, tried: _Tried, seed: int) -> list[Measure]:
    lines = rank_lines(built.name, recogniser, "another photo", tried.trial, tried.control, seed, floor=tried.floor)
    lines += pair_lines(built.name, recogniser, tried.trial, tried.control, seed, tried.floor)
    lines = [replace(m, note=f"{m.note}; {built.note}" if built.note else m.note) for m in lines]
    lines += [line for k in CONTROLS for line in _control_lines(built.name, recogniser, k, getattr(tried, k), tried.control, seed)]
    return lines if built.judged else [replace(m, limit="", passed=None) for m in lines]


def _control_lines(name: str, recogniser: str, kind: str, trial: Trial | None, untouched: Trial, seed: int) -> list[Measure]:
    """Rank 1 and AUC of a control, without a verdict: nobody is to blame for it."""
    if trial is None:
        return []
    rank = rank_lines(name, recogniser, "", trial, untouched, seed, group=CONTROLS[kind])[:1]
    area = [m for m in pair_lines(name, recogniser, trial, untouched, seed) if m.name == "AUC"]
    return [
        replace(m, name=f"{CONTROLS[kind]}, {label}", group="all", limit="", passed=None)
        for label, m in zip(("rank 1", "AUC"), rank + area, strict=True)
    ]


def _curves(name: str, recogniser: str, tried: _Tried, seed: int, first: bool) -> list[Curve]:
    curves = search_curves(name, recogniser, tried.trial, seed)
    return (search_curves("untouched", recogniser, tried.control, seed) if first else []) + curves


def rank_one(lines: Sequence[Measure], attack_name: str) -> float:
    """The best rank-1 rate of an attack over recognisers; NaN when it did not run."""
    rates = [m.value for m in lines if m.section == attack_name and m.name.startswith("rank 1,") and m.group == "all"]
    return float(np.max(rates)) if rates else float("nan")
