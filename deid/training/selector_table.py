"""The selector's table: results for many people under many pairs of stand-in and attribute set.

Every new face is made and judged as the product does it: a face of a photo at the photo's own scale, the stand-ins that would be reserved
for it, the editor's first strength, pasted and seen by the gate. A second recogniser, which the product does not have, looks too.
"""

import dataclasses
import hashlib
import io
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from deid import weights
from deid.anonymizer import fallback
from deid.compositing import blend
from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError
from deid.core.options import Options
from deid.core.types import AlignedFace, Crops, Embeddings, Image
from deid.detection import build_detector
from deid.detection.mtcnn import MtcnnDetector
from deid.editing import checked
from deid.editing.attgan import AttganEditor
from deid.editing.portraits import Looks
from deid.editing.sampler import SET_SIZE, sample_sets, sample_shares, with_portraits
from deid.imaging.alignment import align, at_photo_scale, is_profile, warp
from deid.landmarks.face_points import FacePoints
from deid.models.threads import use_threads
from deid.recognition.age import AgeReader
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.training.classifier import to_tensor
from deid.training.data import central, pictures, split_of
from deid.training.recognisers import mobilefacenet_recogniser
from deid.verification.gate import Gate, SourceFace

log = logging.getLogger(__name__)

#: People whose rows are written together: so much is lost at most when a run is killed.
PART = 10
#: Numbers in a row of `Looks.row`.
_LOOKS = 189


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """F people, one face each, under S pairs each.

    Args:
        identities: (F,) whose face.
        looks: (F, 189) features of the face, see `Looks.row`.
        second_embeddings: (F, 128) the second recogniser's, before.
        rows: (F, S, SET_SIZE) what the editor was given.
        distance: (F, S) dlib's distance to the face before, the nearer one of the gate's two views.
        second: (F, S) the second recogniser's.
        iou: (F, S) overlap with what the detector finds again; 0 for nothing.
        realism: (F, S) the critic's score.
        fit: (F, S) how well the new face fits the photo, see `Proposal.fit`.
        passed: (F, S) the gate's verdict.
    """

    identities: NDArray[np.str_]
    looks: NDArray[np.float32]
    second_embeddings: Embeddings
    rows: NDArray[np.float32]
    distance: NDArray[np.float32]
    second: NDArray[np.float32]
    iou: NDArray[np.float32]
    realism: NDArray[np.float32]
    fit: NDArray[np.float32]
    passed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.identities)

    def where(self, mask: NDArray[Any]) -> "Table":
        """The people of a mask (F,)."""
        return Table(**{name: column[mask] for name, column in self.columns().items()})

    def split(self, name: str) -> "Table":
        """The people of `train`, `validation` or `test`."""
        return self.where(np.array([split_of(i) == name for i in self.identities], bool))

    @property
    def faces(self) -> list[Looks]:
        """Features of each person."""
        cuts = np.cumsum([7, 36, 3, len(ATTRIBUTES), 128])
        parts = (np.split(row.astype(np.float64), cuts) for row in self.looks)
        return [Looks(a, b, c, d, e, float(rest[0]), float(rest[1])) for a, b, c, d, e, rest in parts]

    def columns(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def save(self, path: Path) -> None:
        """Write it as npz, appearing whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
        np.savez_compressed(scratch, allow_pickle=False, **self.columns())
        os.replace(scratch, path)


def read(path: Path) -> Table:
    """A table that `Table.save` wrote.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return Table(**{f.name: file[f.name] for f in dataclasses.fields(Table)})
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"expected a selector's table in {path}, got {error}") from error


def join(parts: Sequence[Table]) -> Table:
    """The people of several tables one after another."""
    return Table(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in dataclasses.fields(Table)))


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A person of the table.

    Args:
        name: who it is.
        image: (H, W, 3) the photo.
        face: of the photo, with all inputs of editors.
        source: what the gate remembers.
        looks: features that a portrait for the face must have.
    """

    name: str
    image: Image
    face: AlignedFace
    source: SourceFace
    looks: Looks


class Bench:
    """Makes new faces as the product does and measures what came out.

    Args:
        recogniser: MobileFaceNet as safetensors: the second opinion on who a face is.
        options: the gate's thresholds.
        editor: the shipped one when None.
    """

    def __init__(self, recogniser: Path, options: Options | None = None, editor: AttganEditor | None = None) -> None:
        self.options, self.editor = options or Options(), editor or AttganEditor()
        self.level = next(fallback.levels(self.options, self.editor))
        self._dlib = DlibResNetEmbedder()
        self.gate = Gate([self._dlib], MtcnnDetector(min_face=40), self.options)
        self._detector = build_detector(self.options.detector, self.options.min_face)
        self._second = mobilefacenet_recogniser(recogniser).to(memory_format=torch.channels_last)
        self._points, self._ages = FacePoints(), AgeReader()

    def subject(self, name: str, image: Image) -> Subject | None:
        """The face in the middle of a photo (H, W, 3); None where the product would cover it or finds none."""
        found = central(self._detector.detect(image), image)
        if found is None or found.score < self.options.edit_score or is_profile(found):
            return None
        aligned = align(image, found)
        source, points = self.gate.source(aligned.crop, found), self._points.points(aligned.crop)
        assert source.attributes is not None
        face = AlignedFace(aligned.crop, aligned.matrix, found, points, at_photo_scale(image, aligned.matrix), source.attributes)
        embedding = source.embeddings[0][0]
        child = float(self._ages.child(embedding[None])[0])
        return Subject(name, image, face, source, Looks.of(aligned.crop, points, source.attributes, embedding, source.male, child))

    def pairs(self, subject: Subject, n: int, n_sets: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Rows for n stand-ins, as reserved for a face, with n_sets sets each: (n * n_sets, SET_SIZE) at most."""
        used: set[int] = set()
        rows = [np.zeros((0, SET_SIZE), np.float32)]
        for _ in range(n):
            numbers = self.editor.portraits().choose(subject.looks, rng, used)
            if not numbers:
                break
            used.update(numbers)
            sets = sample_sets(subject.source.male > 0.5, n_sets, rng, self.level.strength)
            rows.append(with_portraits(sets, numbers, sample_shares(rng, len(numbers))))
        return np.concatenate(rows)

    def measure(self, subject: Subject, rows: NDArray[np.float32]) -> Table:
        """Results for one face under rows (S, SET_SIZE)."""
        face, points = subject.face, subject.face.points
        assert points is not None
        mask = blend.face_mask(points, crop=face.crop)
        proposals = checked.propose(self.editor, face, rows, self.level.strength, mask)
        pasted = [proposal.paste(subject.image, face.matrix)[0] for proposal in proposals]
        checks = [self.gate.judge(subject.source, image) for image in pasted]
        places = self.places(np.stack([face.crop, *(warp(image, face.matrix) for image in pasted)]))
        columns = {
            "looks": subject.looks.row(),
            "second_embeddings": places[0],
            "rows": rows,
            "distance": [check.distances[0].value for check in checks],
            "second": np.linalg.norm(places[1:] - places[0], axis=1),
            "iou": [check.iou for check in checks],
            "realism": [check.realism for check in checks],
            "fit": [proposal.fit for proposal in proposals],
        }
        arrays = {column: np.asarray(values, np.float32)[None] for column, values in columns.items()}
        return Table(identities=np.array([subject.name]), passed=np.array([[c.passed for c in checks]]), **arrays)

    @torch.inference_mode()
    def places(self, crops: Crops) -> Embeddings:
        """Where the second recogniser sees crops (N, 128, 128, 3): (N, 128) unit rows."""
        return np.asarray(self._second(to_tensor(crops)).numpy(), np.float32)


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
    told = (judges, sampler, [photo.name for photo in photos], start, (plan.stand_ins, plan.sets), plan.seed)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


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
