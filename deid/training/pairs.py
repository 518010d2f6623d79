"""Pairs of stand-in and attribute set, made and judged for many people."""

import dataclasses
import hashlib
import io
import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from deid import weights
from deid.core.errors import DataError
from deid.editing.sampler import SET_SIZE, sample_sets
from deid.models.threads import use_threads
from deid.training.bench import Bench
from deid.training.data import pictures, split_of
from deid.training.selector_table import Table, join, read

log = logging.getLogger(__name__)


#: People whose rows are written together: so much is lost at most when a run is killed.
PART = 10


#: Numbers in a row of `Looks.row`.
_LOOKS = 189


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo of a person.

    Args:
        name: its file name.
        identity: who it is.
        data: its bytes.
    """

    name: str
    identity: str
    data: bytes


def people(data: Path, n: int, n_exam: int, seed: int) -> list[Photo]:
    """One LFW photo per person: people of the validation split first, then those of the training split.

    Raises:
        DataError: there is no LFW in the folder.
    """
    by_person: dict[str, list[tuple[str, Callable[[], bytes]]]] = {}
    for name, reader in pictures(data, "lfw-deepfunneled.tar", "lfw-deepfunneled"):
        by_person.setdefault(f"lfw/{Path(name).parent.name}", []).append((Path(name).name, reader))
    if not by_person:
        raise DataError(f"expected lfw-deepfunneled (tar or folder) in {data}, found none")
    chosen: list[Photo] = []
    for split, wanted in (("validation", n_exam), ("train", n)):
        rng = np.random.default_rng([seed, len(chosen)])
        for person in rng.permutation(sorted(name for name in by_person if split_of(name) == split))[:wanted]:
            name, reader = by_person[person][rng.integers(len(by_person[person]))]
            chosen.append(Photo(name, str(person), reader()))
    return chosen


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Args:
        recogniser: see `Bench`.
        stand_ins: for each person.
        sets: for each stand-in.
        seed: what both are drawn from, with each person's place in the list.
    """

    recogniser: Path
    stand_ins: int
    sets: int
    seed: int = 0


def make(
    photos: Sequence[Photo], folder: Path, plan: Plan, workers: int = 1, report: Callable[[int, int, str], None] | None = None
) -> Table:
    """The table of these people; of a run that was broken off, only what is missing is measured.

    Args:
        photos: one per person; a person without a face that would be replaced is left out.
        folder: for the parts.
        plan: what is measured.
        workers: processes.
        report: called with the number of finished parts, their total, and a note.

    Raises:
        DataError: there are no photos, or no face in any.
    """
    starts = range(0, len(photos), PART)
    paths = [folder / f"part-{_key(photos[start : start + PART], start, plan)}.npz" for start in starts]
    missing = [(path, photos[start : start + PART], start, plan) for path, start in zip(paths, starts, strict=True) if not path.exists()]
    for step, _ in enumerate(_each(missing, workers), len(paths) - len(missing) + 1):
        if report:
            report(step, len(paths), f"parts of {PART} people")
    table = join([_nobody(plan), *map(read, paths)])
    if not len(table):
        raise DataError(f"expected a face in at least one of {len(photos)} photos, found none")
    return table


def _key(photos: Sequence[Photo], start: int, plan: Plan) -> str:
    """Other weights, sets or people, other files: what was measured before never gets in."""
    judges = [weights.entry(name).sha256 for name in ("portraits", "attgan", "attributes", "realism", "gender")]
    sampler = sample_sets(True, 1, np.random.default_rng(0)).tolist()
    settings = (judges, sampler, [photo.name for photo in photos], start, (plan.stand_ins, plan.sets), plan.seed)
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


_Part = tuple[Path, Sequence[Photo], int, Plan]


def _each(parts: Sequence[_Part], workers: int) -> Iterator[None]:
    if workers == 1:
        yield from map(_measure, parts)
        return
    # Nothing is inherited: torch's threads do not survive a fork.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), use_threads, (1,)) as pool:
        yield from pool.map(_measure, parts)


def _measure(part: _Part) -> None:
    path, photos, start, plan = part
    bench, tables = _bench(plan.recogniser), [_nobody(plan)]
    for i, photo in enumerate(photos, start):
        subject = bench.subject(photo.identity, np.asarray(Pillow.open(io.BytesIO(photo.data)).convert("RGB")))
        rows = None if subject is None else bench.pairs(subject, plan.stand_ins, plan.sets, np.random.default_rng([plan.seed, i]))
        if subject is None or rows is None or len(rows) < plan.stand_ins * plan.sets:
            log.info("left out %s: no face that would be replaced, or too few portraits for it", photo.name)
            continue
        tables.append(bench.measure(subject, rows))
    join(tables).save(path)


def _nobody(plan: Plan) -> Table:
    """A table without people, which others can be joined to."""
    n = plan.stand_ins * plan.sets
    shapes = {"looks": (_LOOKS,), "second_embeddings": (128,), "rows": (n, SET_SIZE)}
    numbers = {f.name: np.zeros((0, *shapes.get(f.name, (n,))), np.float32) for f in dataclasses.fields(Table)}
    return Table(**numbers | {"identities": np.zeros(0, "<U1"), "passed": np.zeros((0, n), bool)})


@cache
def _bench(recogniser: Path) -> Bench:
    return Bench(recogniser)
