"""`attack`: two folders in, what each attacker gets out of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deid.exceptions import DataError
from deid.protocols import Embedder
from deid.structures import Crops, Embeddings
from evaluation import detectors, recognisers
from evaluation.attacks import ATTACKS, Attack, Case
from evaluation.attacks.case import Search, split_people
from evaluation.attacks.context import Surroundings
from evaluation.compare import Progress
from evaluation.faces import Face, Observer
from evaluation.folders import pair_folders, read_pairs
from evaluation.pairs import Split, other_photo, score_table
from evaluation.results import Curve, Measure, Results, environment
from evaluation.scoring import Trial, pair_lines, rank_lines, search_curves


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
            trial, control, floor = searcher.trials(built, recogniser)
            lines += _lines(built, recogniser.name, trial, control, floor, options.seed)
            curves += _curves(built.name, recogniser.name, trial, control, options.seed, first=name == options.attacks[0])
            if name != "reconstruction":
                progress.tick()
    return case, lines, [c for c in curves if c.recogniser != Surroundings.name]


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

    def trials(self, built: Attack, recogniser: Embedder) -> tuple[Trial, Trial, Trial | None]:
        """The attack, its control and its floor."""
        floor = None if built.floor is None else self.trial(built, built.floor, recogniser)
        return self.trial(built, built.search, recogniser), self.trial(built, built.control, recogniser), floor


def _lines(built: Attack, recogniser: str, trial: Trial, control: Trial, floor: Trial | None, seed: int) -> list[Measure]:
    lines = rank_lines(built.name, recogniser, "another photo", trial, control, seed, floor=floor)
    lines += pair_lines(built.name, recogniser, trial, control, seed, floor)
    lines = [replace(m, note=f"{m.note}; {built.note}" if built.note else m.note) for m in lines]
    return lines if built.judged else [replace(m, limit="", passed=None) for m in lines]


def _curves(name: str, recogniser: str, trial: Trial, control: Trial, seed: int, first: bool) -> list[Curve]:
    curves = search_curves(name, recogniser, trial, seed)
    return (search_curves("untouched", recogniser, control, seed) if first else []) + curves


def rank_one(lines: Sequence[Measure], attack_name: str) -> float:
    """The best rank-1 rate of an attack over recognisers; NaN when it did not run."""
    rates = [m.value for m in lines if m.section == attack_name and m.name.startswith("rank 1,") and m.group == "all"]
    return float(np.max(rates)) if rates else float("nan")
