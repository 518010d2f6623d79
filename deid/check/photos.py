"""Photos before and after, a few at a time. Only numbers are kept of each face."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from deid.check.faces import Face, Observer, PhotoResult, crops_of, plain_face
from deid.check.folders import ImagePair
from deid.check.judges import Judges
from deid.check.recognition import Embedded, Rows
from deid.check.report import Counts, FileFindings
from deid.check.states import EXPOSED, states
from deid.core.protocols import Embedder


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """What stays of a face when its pixels have gone; the fields are those of `Face`."""

    file: str
    identity: str
    main: bool
    size_px: float
    change: float
    found_after: bool
    has_output: bool
    box_xyxy: NDArray[np.float64]
    contrast: float

    @classmethod
    def of(cls, face: Face) -> "_Kept":
        return cls(*(getattr(face, name) for name in cls.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What all photos gave.

    Args:
        names: of the photos, in order, those without a face among them.
        faces: of all of them.
        state: (N,) of each face.
        embedded: what each recogniser made of them.
        recall: by detector.
    """

    names: tuple[str, ...]
    faces: tuple[_Kept, ...]
    state: NDArray[np.str_]
    embedded: tuple[Embedded, ...]
    recall: Mapping[str, float]

    @property
    def thresholds(self) -> dict[str, float]:
        """By recogniser, the distance under which two faces are one person's."""
        return {found.recogniser: found.threshold for found in self.embedded}

    def files(self, metadata: Mapping[str, tuple[str, ...]]) -> Iterator[FileFindings]:
        """Findings by photo; ``metadata`` says what is left in each output."""
        own = {name: list(rows) for name, rows in groupby(range(len(self.faces)), lambda i: self.faces[i].file)}
        for name in self.names:
            rows = own.get(name, [])
            yield FileFindings(name, False, self._counts(rows), metadata.get(name, ()), tuple(self._face(i) for i in rows))

    def _counts(self, rows: Sequence[int]) -> Counts:
        state = self.state[rows] if rows else np.zeros(0, "<U10")
        return Counts(
            faces=len(rows),
            unchanged=int((state == "unchanged").sum()),
            exposed=int(np.isin(state, EXPOSED).sum()),
            judged=len(rows),
            recognised=sum(any(bool(found.recognised[i]) for found in self.embedded) for i in rows if self.faces[i].has_output),
            found=sum(self.faces[i].found_after for i in rows),
        )

    def _face(self, i: int) -> dict[str, object]:
        face = self.faces[i]
        return {
            "box_xyxy": [round(float(v), 1) for v in face.box_xyxy],
            "state": str(self.state[i]),
            "found_again": face.found_after,
            "change": round(face.change, 2),
            "distances": {found.recogniser: round(float(found.distances[i]), 4) for found in self.embedded},
        }


def look(pairs: Iterable[ImagePair], judges: Judges) -> Looked:
    """Look at photos before and after; thresholds are set when all have been seen."""
    observer: Observer[Face] = Observer(judges.detectors, plain_face, judges.turned)
    names, kept = list[str](), list[_Kept]()
    rows: list[list[Rows]] = [[] for _ in judges.embedders]
    tallies: list[list[NDArray[np.float64]]] = [[] for _ in judges.detectors]
    for results in observer.batches(pairs):
        faces = [face for photo in results for face in photo.faces]
        names += [photo.file for photo in results]
        kept += [_Kept.of(face) for face in faces]
        _add(rows, judges, faces)
        _tally(tallies, results)
    embedded = tuple(Embedded.of(e, _joined(own, e.embed(_NONE)), kept) for e, own in zip(judges.embedders, rows, strict=True))
    recall = {d.name: _mean(own) for d, own in zip(judges.detectors, tallies, strict=True)}
    return Looked(tuple(names), tuple(kept), states(kept, embedded), embedded, recall)


#: A run's own threshold is never so many times a recogniser's usual one.
_FAR = 2.0
_NONE: NDArray[np.uint8] = np.zeros((0, 128, 128, 3), np.uint8)


def _add(rows: list[list[Rows]], judges: Judges, faces: Sequence[Face]) -> None:
    if faces:
        for own, embedder in zip(rows, judges.embedders, strict=True):
            own.append(_rows(embedder, faces))


def _rows(embedder: Embedder, faces: Sequence[Face]) -> Rows:
    """Embeddings before, after and covered. Of a face that is far from what it was, whatever the threshold will be, nobody asks what its
    surroundings look like: the third is then the first again."""
    before, after = embedder.embed(crops_of(faces, "before")), embedder.embed(crops_of(faces, "after"))
    near = np.linalg.norm(before.astype(np.float64) - after, axis=1) <= _FAR * embedder.threshold
    covered = before.copy()
    if near.any():
        covered[near] = embedder.embed(crops_of([face for face, asked in zip(faces, near, strict=True) if asked], "covered"))
    return before, after, covered


def _tally(tallies: list[list[NDArray[np.float64]]], results: Sequence[PhotoResult[Face]]) -> None:
    for k, own in enumerate(tallies):
        own += [photo.tallies[k].iou_before for photo in results]


def _joined(rows: Sequence[Rows], none: NDArray[np.float32]) -> Rows:
    before, after, covered = (np.concatenate([none, *(part[k] for part in rows)]) for k in range(3))
    return before, after, covered


def _mean(ious: Sequence[NDArray[np.float64]]) -> float:
    values = np.concatenate([*ious, np.zeros(0)])
    return float((values > 0).mean()) if len(values) else float("nan")
