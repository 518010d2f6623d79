"""The selector's table: what becomes of many people's faces under many attribute sets each.

Every edit is made as the product makes it: coarse input, two passes, matched to its photo and blended into it. Everything
that the gate asks is measured on the aligned crop, and with a second recogniser, which the product does not have.
"""

import dataclasses
import hashlib
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

from deid import blend, geometry, ladder, weights
from deid.align import TEMPLATE
from deid.attributes.sampler import sample_sets
from deid.config import Options
from deid.detect.face_points import FacePoints
from deid.detect.mtcnn import MtcnnDetector
from deid.edit.attgan import AttganEditor
from deid.embed.dlib_resnet import DlibResNetEmbedder
from deid.exceptions import DataError
from deid.structures import AlignedFace, Crops, Detection, Embeddings, Image
from deid.training.classifier import to_tensor
from deid.training.data import FaceData, split_of
from deid.training.recognisers import mobilefacenet_recogniser
from deid.verify import Gate, SourceFace

#: People whose rows are written together: so much is lost at most when a run is killed.
_PART = 20
#: Where a mean face lies in an aligned crop, for one that the detector does not find before.
_FACE = Detection(np.array([28.0, 18.0, 100.0, 112.0]), landmarks=TEMPLATE)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """F people, one face each, under S attribute sets each.

    Args:
        identities: (F,) whose face.
        attributes: (F, 13) probability of each attribute before.
        embeddings: (F, 128) dlib's, before.
        second_embeddings: (F, 128) the second recogniser's, before.
        sets: (F, S, 13 + N_CODES) of the first pass.
        distance: (F, S) dlib's distance to the face before.
        second: (F, S) the second recogniser's.
        score: (F, S) the detector's probability of a face in place; 0 where it finds none.
        iou: (F, S) overlap of the boxes before and after, likewise.
        male: (F, S) probability of `Male` after.
        realism: (F, S) the critic's score.
        passed: (F, S) what the gate says.
    """

    identities: NDArray[np.str_]
    attributes: NDArray[np.float32]
    embeddings: Embeddings
    second_embeddings: Embeddings
    sets: NDArray[np.float32]
    distance: NDArray[np.float32]
    second: NDArray[np.float32]
    score: NDArray[np.float32]
    iou: NDArray[np.float32]
    male: NDArray[np.float32]
    realism: NDArray[np.float32]
    passed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.identities)

    def where(self, mask: NDArray[np.bool_]) -> "Table":
        """The people of a mask (F,)."""
        return Table(**{name: column[mask] for name, column in self._columns().items()})

    def split(self, name: str) -> "Table":
        """The people of `train`, `validation` or `test`."""
        return self.where(np.array([split_of(i) == name for i in self.identities], bool))

    def _columns(self) -> dict[str, NDArray[Any]]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def save(self, path: Path) -> None:
        """Write it as npz, appearing whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
        np.savez_compressed(scratch, allow_pickle=False, **self._columns())
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


class Bench:
    """Edits faces as the product does and measures what came out.

    Args:
        recogniser: MobileFaceNet as safetensors: the second opinion on who a face is.
        options: the gate's thresholds, and how coarse the generator's input is.
        editor: the shipped generator's when None.

    Attributes:
        gate: what the product measures with.
    """

    def __init__(self, recogniser: Path, options: Options | None = None, editor: AttganEditor | None = None) -> None:
        options = options or Options()
        self._rung = next(ladder.rungs(options, editor or AttganEditor()))
        self._detector = MtcnnDetector(min_face=40)
        self.gate = Gate([DlibResNetEmbedder()], self._detector, options)
        self._second = mobilefacenet_recogniser(recogniser).to(memory_format=torch.channels_last)
        self._points = FacePoints()

    def source(self, crop: Image) -> SourceFace:
        """What the gate remembers of an aligned crop (128, 128, 3)."""
        found = self._detector.detect(crop)
        return self.gate.source(crop, max(found, key=lambda d: d.score, default=_FACE))

    def measure(self, name: str, crop: Image, source: SourceFace, sets: NDArray[np.float32]) -> Table:
        """The row of one person: a crop (128, 128, 3) under sets (S, 13 + N_CODES)."""
        edits = self.edit(crop, sets)
        checks = self.gate.measure(source, edits)
        score, iou = self._found(edits, source.detection)
        passed = [check.passed and overlap >= self.gate.options.min_iou for check, overlap in zip(checks, iou, strict=True)]
        places = self.places(np.concatenate([crop[None], edits]))
        columns = {
            "attributes": source.attributes,
            "embeddings": source.embeddings[0][0],
            "second_embeddings": places[0],
            "sets": sets,
            "distance": [check.distances[0].value for check in checks],
            "second": np.linalg.norm(places[1:] - places[0], axis=1),
            "score": score,
            "iou": iou,
            "male": [check.gender_after for check in checks],
            "realism": [check.realism for check in checks],
        }
        rows = {column: np.asarray(values, np.float32)[None] for column, values in columns.items()}
        return Table(identities=np.array([name]), passed=np.array(passed)[None], **rows)

    def edit(self, crop: Image, sets: NDArray[np.float32]) -> Crops:
        """The product's edits of a crop as they will look in its photo, (S, 128, 128, 3)."""
        face = AlignedFace(crop, np.eye(2, 3), _FACE)
        mask = blend.face_mask(self._points.points(crop), crop=crop)
        return np.stack([proposal.blended for proposal in self._rung.propose(face, sets, mask)])

    def _found(self, edits: Crops, face: Detection) -> tuple[list[float], list[float]]:
        """Probability and overlap of what the detector finds in the face's place in each edit."""
        seen = []
        for found in self._detector.detect_batch(list(edits)):
            iou = geometry.box_iou(np.array([d.box_xyxy for d in found]), face.box_xyxy).ravel() if found else np.zeros(0)
            best = int(iou.argmax()) if found else -1
            seen.append((found[best].score, float(iou[best])) if found and iou[best] > 0 else (0.0, 0.0))
        score, overlap = zip(*seen, strict=True)
        return list(score), list(overlap)

    @torch.inference_mode()
    def places(self, crops: Crops) -> Embeddings:
        """Where the second recogniser sees crops (N, 128, 128, 3): (N, 128) unit rows."""
        return np.asarray(self._second(to_tensor(crops)).numpy(), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some people whose rows go into one file.

    Args:
        path: of the file.
        faces: one per person.
        n_sets: for each of them.
        seeds: one per person: what the sets are drawn from.
        recogniser: see `Bench`.
    """

    path: Path
    faces: FaceData
    n_sets: int
    seeds: Sequence[Sequence[int]]
    recogniser: Path


def people(faces: FaceData, n: int, n_exam: int, seed: int) -> FaceData:
    """One photo of each of so many people: those of the validation split first, then those of the training split."""
    chosen: list[int] = []
    for split, wanted in (("validation", n_exam), ("train", n)):
        rng = np.random.default_rng([seed, len(chosen)])
        names = sorted({str(i) for i in faces.identities if split_of(str(i)) == split})
        chosen += [int(rng.choice(np.flatnonzero(faces.identities == name))) for name in rng.permutation(names)[:wanted]]
    return faces.where(np.array(chosen, np.intp))


def make(
    faces: FaceData,
    folder: Path,
    recogniser: Path,
    n_sets: int,
    seed: int,
    workers: int = 1,
    report: Callable[[int, int, str], None] | None = None,
) -> Table:
    """The table of these faces; of a run that was broken off, only what is missing is measured.

    Args:
        faces: one per person.
        folder: for the parts.
        recogniser: see `Bench`.
        n_sets: for each face.
        seed: what the sets are drawn from, with each person's place in ``faces``.
        workers: processes.
        report: told the people that are done, how many there are, and a note.

    Raises:
        DataError: there are no faces.
    """
    if not len(faces):
        raise DataError("expected faces of the training split, got none")
    parts = list(_parts(faces, folder, recogniser, n_sets, seed))
    missing = [part for part in parts if not part.path.exists()]
    for done, _ in enumerate(_each(missing, workers), len(parts) - len(missing) + 1):
        if report:
            report(done, len(parts), f"parts of {_PART} people")
    return join([read(part.path) for part in parts])


def _parts(faces: FaceData, folder: Path, recogniser: Path, n_sets: int, seed: int) -> Iterator[_Part]:
    judges = [weights.entry(name).sha256 for name in ("appearance", "attgan", "attributes", "realism")]
    sampler = sample_sets(True, 1, np.random.default_rng(0)).tolist()
    for start in range(0, len(faces), _PART):
        few = faces.where(np.arange(start, min(start + _PART, len(faces))))
        seeds = [(seed, start + i) for i in range(len(few))]
        # Other weights, sets or people, other files: what was measured before never gets in.
        key = hashlib.sha256(repr((judges, sampler, list(few.names), seeds, n_sets)).encode()).hexdigest()[:16]
        yield _Part(folder / f"part-{key}.npz", few, n_sets, seeds, recogniser)


def _each(parts: Sequence[_Part], workers: int) -> Iterator[None]:
    if workers == 1:
        yield from map(_measure, parts)
        return
    # Nothing is inherited: torch's threads do not survive a fork.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        yield from pool.map(_measure, parts)


def _measure(part: _Part) -> None:
    bench, rows = _bench(part.recogniser), []
    for crop, name, seed in zip(part.faces.crops, part.faces.identities, part.seeds, strict=True):
        source = bench.source(crop)
        sets = sample_sets(source.male > 0.5, part.n_sets, np.random.default_rng(seed), ladder.STRENGTHS[0])
        rows.append(bench.measure(str(name), crop, source, sets))
    join(rows).save(part.path)


@cache
def _bench(recogniser: Path) -> Bench:
    return Bench(recogniser)
