"""Clones: are new faces of different people different people, and none of the portraits?"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.check.faces import crops_of
from deid.check.folders import SUFFIXES, pair_folders
from deid.check.recognition import WORKING_FMR, distance_of, fix_thresholds
from deid.core.errors import DataError
from deid.core.protocols import Embedder
from deid.core.types import Embeddings, Image
from deid.imaging.template import SIZE
from deid.training.data import read_tar
from evaluation import datasets, recognisers
from evaluation.compare import male_probabilities
from evaluation.faces import Face, with_genders
from evaluation.metrics.bootstrap import Interval, mean_interval, share_interval, weighted_interval
from evaluation.new_faces import NewFace, new_faces, read_report
from evaluation.results import Measure, Results, environment, measure
from evaluation.studies.lineup import groups_of
from evaluation.studies.options import StudyOptions

_LEAST = 2


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Embeddings of one recogniser for N people, one face each.

    Args:
        recogniser: its name.
        before: (N, D) unit-norm rows of the untouched faces.
        after: (N, D) of the new ones.
        threshold: cosine above which two faces count as one person, fixed on the untouched ones.
        note: where the threshold comes from.
    """

    recogniser: str
    before: Embeddings
    after: Embeddings
    threshold: float
    note: str


def clones(options: StudyOptions) -> Results:
    """All pairs among new faces of different people; their portraits and a second run, where they are given.

    Raises:
        DataError: there are fewer than two new faces, or a folder, report or bank cannot be used.
    """
    options.stage("new faces", options.people)
    found = _people(options)
    faces = with_genders([f.face for f in found], _labels(), male_probabilities(crops_of([f.face for f in found], "before")))
    bank = read_bank(options.bank) if options.bank else {}
    again = _again(options, found)
    lines: list[Measure] = []
    known = recognisers.load()
    options.stage("recognisers", len(known))
    for recogniser in known:
        rows = _rows(recogniser, faces)
        lines += pair_lines(rows, [f.identity for f in faces], groups_of([[f.gender] for f in faces]), options.seed)
        lines += shared_lines(rows, [f.portraits for f in found])
        lines += _portrait_lines(rows, found, recogniser, bank, options.seed)
        lines += again_lines(rows, recogniser, again, [f.identity for f in faces], options.seed)
        options.tick()
    settings = {"people": len(found), "least size": options.least_px, "seed": options.seed, "portraits in the bank": len(bank)}
    return Results(
        kind="study",
        title="clones: pairs among new faces of different people",
        settings=settings,
        environment=environment(),
        measures=tuple(lines),
    )


def _labels() -> dict[str, str]:
    return datasets.genders(datasets.data_folder() / "lfw-gender.csv")


def _people(options: StudyOptions) -> list[NewFace]:
    report = read_report(options.report) if options.report else None
    every = new_faces(options.pairs(shuffled=True), report, options.least_px, one_a_person=True)
    found = []
    for face in islice(every, options.people):
        found.append(face)
        options.tick()
    if len(found) < _LEAST:
        raise DataError(f"expected new faces of at least {_LEAST} people, got {len(found)}")
    return found


def _again(options: StudyOptions, found: Sequence[NewFace]) -> dict[int, NDArray[np.uint8]]:
    """New faces of another run over the same photos, by the number of the person."""
    if options.again is None or options.before is None:
        return {}
    second = {pair.name: pair for pair in pair_folders(options.before, options.again)[0]}
    numbers = {f.pair.name: i for i, f in enumerate(found)}
    options.stage("the other run", len(numbers))
    some = new_faces((second[name] for name in numbers), None, options.least_px, tick=options.tick)
    return {numbers[f.pair.name]: f.face.crop_after for f in some}


def _rows(recogniser: Embedder, faces: Sequence[Face]) -> Rows:
    before, after = (recogniser.embed(crops_of(faces, side)) for side in ("before", "after"))
    thresholds, note = fix_thresholds(before, [f.identity for f in faces], recogniser.threshold)
    return Rows(recogniser.name, before, after, thresholds[WORKING_FMR], note)


def pair_lines(rows: Rows, people: Sequence[str], groups: Mapping[str, NDArray[np.bool_]], seed: int) -> list[Measure]:
    """Share of pairs of new faces of different people that count as one person, by group (N,), and their distance."""
    lines = []
    common: dict[str, Any] = {"better": "lower", "unit": "%", "recogniser": rows.recogniser, "chance": WORKING_FMR}
    common["note"] = f"distance under {float(distance_of(rows.threshold)):.3f}, {rows.note}"
    for group, mask in groups.items():
        names = [p for p, m in zip(people, mask, strict=True) if m]
        if len(names) >= _LEAST:
            new, untouched = (share_of_pairs(_scores(side[mask]) > rows.threshold, names, seed) for side in (rows.after, rows.before))
            lines.append(measure("clones", "pairs taken for one person", new, group=group, control=untouched.value, **common))
    gap, control = (_mean_distance(side) for side in (rows.after, rows.before))
    apart = Measure(section="clones", name="mean distance of a pair", value=gap, n=lines[0].n, recogniser=rows.recogniser, control=control)
    return [*lines, apart]


def _scores(rows: Embeddings) -> NDArray[np.float64]:
    """Cosines of all pairs (N, N); of a row with itself, minus infinity."""
    table = np.asarray(rows, np.float64) @ np.asarray(rows, np.float64).T
    np.fill_diagonal(table, -np.inf)
    return table


def share_of_pairs(accepted: NDArray[np.bool_], people: Sequence[str], seed: int) -> Interval:
    """Share of the pairs of a symmetric table (N, N), with its interval over people.

    A person drawn several times makes no pair with itself. Where no pair or every pair is accepted, the interval is the exact one of
    as many pairs as have nobody in common.
    """
    hits, n = accepted.astype(np.float64), len(accepted)
    value, n_pairs = float(hits.sum() / (n * (n - 1))), n * (n - 1) // 2
    if value in (0.0, 1.0):
        return replace(share_interval([value] * (n // 2), [str(i) for i in range(n // 2)]), n=n_pairs, n_groups=n)

    def share(weights: NDArray[np.float64]) -> float:
        drawn = weights.sum() ** 2 - weights @ weights
        return float(weights @ hits @ weights / drawn) if drawn else float("nan")

    found = weighted_interval(share, people, n_pairs, seed)
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def _mean_distance(rows: Embeddings) -> float:
    return float(distance_of(_scores(rows)[np.triu_indices(len(rows), 1)]).mean())


def shared_lines(rows: Rows, portraits: Sequence[tuple[int, ...]]) -> list[Measure]:
    """Share of pairs that count as one person, with and without a common portrait; nothing without a report."""
    if not any(portraits):
        return []
    scores = _scores(rows.after)
    shared = np.array([[bool(set(a) & set(b)) for b in portraits] for a in portraits])
    upper = np.triu(np.ones_like(shared), 1)
    lines = []
    for name, mask in (("a portrait in common", shared & upper), ("no portrait in common", ~shared & upper)):
        value = float((scores[mask] > rows.threshold).mean()) if mask.any() else float("nan")
        common: dict[str, Any] = {"better": "lower", "unit": "%", "recogniser": rows.recogniser, "chance": WORKING_FMR}
        lines.append(Measure(section="clones", name=f"{name}: pairs taken for one person", value=value, n=int(mask.sum()), **common))
    return lines


def read_bank(path: Path) -> dict[int, Image]:
    """Portraits by number, as aligned crops (128, 128, 3), from a tar or a folder of square, aligned pictures.

    The number is the file's name where that is one, else its place in the order of names.

    Raises:
        DataError: there are none.
    """
    if path.is_dir():
        files = [(p.name, p.read_bytes) for p in sorted(path.iterdir())]
    else:
        files = [(Path(name).name, read) for name, read in read_tar(path)]
    pictures = [(name, read) for name, read in sorted(files) if Path(name).suffix.lower() in SUFFIXES]
    if not pictures:
        raise DataError(f"expected a tar or a folder of portraits, got none in {path}")
    return {int(stem) if (stem := Path(name).stem).isdigit() else i: _small(read()) for i, (name, read) in enumerate(pictures)}


def _small(data: bytes) -> Image:
    picture = np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB"))
    return np.asarray(cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def _portrait_lines(rows: Rows, found: Sequence[NewFace], recogniser: Embedder, bank: dict[int, Image], seed: int) -> list[Measure]:
    """How far each new face lies from the portraits that stood in, beside how far it lies from the others."""
    owners = [(i, n) for i, face in enumerate(found) for n in face.portraits if n in bank]
    if not owners:
        return []
    numbers = list(bank)
    table = np.asarray(rows.after, np.float64) @ np.asarray(recogniser.embed(np.stack([bank[n] for n in numbers])), np.float64).T
    own = np.zeros(table.shape, bool)
    for i, n in owners:
        own[i, numbers.index(n)] = True
    return list(portrait_lines(rows, table, own, [f.pair.identity for f in found], seed))


def portrait_lines(rows: Rows, table: NDArray[np.float64], own: NDArray[np.bool_], people: Sequence[str], seed: int) -> Iterator[Measure]:
    """Lines of `_portrait_lines` from cosines (N, M) of new faces and portraits, and which of them stood in (N, M)."""
    names = [people[int(i)] for i in np.nonzero(own)[0]]
    taken, gaps = table > rows.threshold, distance_of(table)
    common: dict[str, Any] = {"recogniser": rows.recogniser, "note": "portraits that stood in; untouched: all other portraits"}
    share, gap = share_interval(taken[own], names, seed), mean_interval(gaps[own], names, seed)
    others = {"share": float(taken[~own].mean()), "gap": float(gaps[~own].mean())}
    rate: dict[str, Any] = {"better": "lower", "unit": "%", "control": others["share"], "chance": WORKING_FMR}
    yield measure("portraits", "taken for its portrait", share, **rate, **common)
    yield measure("portraits", "distance to its portrait", gap, better="higher", control=others["gap"], **common)


def again_lines(rows: Rows, recogniser: Embedder, again: dict[int, NDArray[np.uint8]], people: Sequence[str], seed: int) -> list[Measure]:
    """Share of faces of a second run that count as the person of the first run: other sets, or other mixes."""
    if not again:
        return []
    numbers = sorted(again)
    second = recogniser.embed(np.stack([again[i] for i in numbers]))
    scores = (np.asarray(rows.after[numbers], np.float64) * second).sum(axis=1)
    share = share_interval(scores > rows.threshold, [people[i] for i in numbers], seed)
    common: dict[str, Any] = {"better": "lower", "unit": "%", "recogniser": rows.recogniser, "chance": WORKING_FMR}
    return [measure("another run", "taken for the same person", share, note="the same photo in both runs", **common)]
