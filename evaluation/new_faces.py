"""New faces in two folders: places where another face replaces the photo's own."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deid.check.folders import FilePair, read_pairs
from deid.check.states import UNCHANGED_BELOW
from deid.core.errors import DataError
from deid.imaging import geometry
from evaluation.detectors import both_detectors
from evaluation.faces import Face, Observer, PhotoResult

#: Two boxes with less overlap are not one face.
_SAME_IOU = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Reported:
    """A face in a report of `deid`.

    Args:
        box_xyxy: (4,) pixels of the photo.
        new: whether a new face is in its place, and no cover or filter.
        portraits: numbers of its portraits, where the report has them (`--debug`).
    """

    box_xyxy: NDArray[np.float64]
    new: bool
    portraits: tuple[int, ...] = ()


#: Faces of every file by the file's name, with slashes.
Report: TypeAlias = dict[str, list[Reported]]


@dataclass(frozen=True, slots=True, eq=False)
class NewFace:
    """The main face of a photo, and its replacement.

    Args:
        pair: the files.
        face: before and after.
        portraits: numbers of its portraits; empty where unknown.
        others: (M, 4) boxes of the photo's other faces, by the detectors and by the report.
    """

    pair: FilePair
    face: Face
    portraits: tuple[int, ...] = ()
    others: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))


def read_report(path: Path) -> Report:
    """The JSON of `deid run --report`, or the ledger of `deid dataset` (also by its folder, OUT.deid).

    Raises:
        DataError: it is neither.
    """
    path = path / "ledger.sqlite" if path.is_dir() else path
    try:
        if path.read_bytes()[:6] == b"SQLite":
            return _read_ledger(path)
        files = json.loads(path.read_text())["files"]
        return {Path(f["input"]).as_posix(): [_reported(face) for face in f["frames"][0]["faces"]] for f in files if f.get("frames")}
    except (OSError, ValueError, KeyError, TypeError, IndexError, sqlite3.Error) as error:
        raise DataError(f"expected the report of `deid run` or the ledger of `deid dataset`, got {path}: {error}") from error


def _read_ledger(path: Path) -> Report:
    found: Report = {}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        for row in database.execute("SELECT name, faces.* FROM faces JOIN files ON files.id = faces.file WHERE frame = 0"):
            face = dict(row)
            for key in ("box", "attributes", "portraits"):
                face[key] = json.loads(face[key]) if face.get(key) else []
            found.setdefault(Path(str(face["name"])).as_posix(), []).append(_reported(face | {"box_xyxy": face["box"]}))
    return found


def _reported(face: dict[str, Any]) -> Reported:
    new = face["status"] == "passed" and bool(face["attributes"])
    return Reported(np.array(face["box_xyxy"], np.float64), new, tuple(int(n) for n in face.get("portraits") or ()))


def new_faces(
    pairs: Iterable[FilePair],
    report: Report | None = None,
    least_px: float = 0.0,
    one_a_person: bool = False,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[NewFace]:
    """New faces in the middle of photos, one at a time; photos without one are passed over.

    A face is new when it changed, a detector finds a face in its place, and the report, where there is one, says so too: without a
    report a filter that a detector sees through counts as new.

    Args:
        pairs: files of two folders.
        report: of the run that made the second one.
        least_px: geometric mean of the box's sides.
        one_a_person: whether to take no second photo of anybody.
        tick: called after each pair.
    """
    observer, seen = Observer(both_detectors()), set[str]()
    for pair in pairs:
        if not (one_a_person and pair.identity in seen):
            for photo in observer.observe(read_pairs([pair], [])):
                for found in _new_of(photo, pair, report, least_px):
                    seen.add(pair.identity)
                    yield found
        tick()


def _new_of(photo: PhotoResult, pair: FilePair, report: Report | None, least_px: float) -> Iterator[NewFace]:
    reported = None if report is None else _reported_of(pair, report)
    for face in photo.faces:
        known = _nearest(face.box_xyxy, reported or [])
        if _is_new(face, least_px) and (reported is None or (known is not None and known.new)):
            boxes = [f.box_xyxy for f in photo.faces if f is not face] + [t.box_xyxy for t in reported or [] if t is not known]
            yield NewFace(pair, face, known.portraits if known else (), np.array(boxes, np.float64).reshape(-1, 4))


def _is_new(face: Face, least_px: float) -> bool:
    return face.main and face.has_output and face.found_after and face.change >= UNCHANGED_BELOW and face.size_px >= least_px


def _reported_of(pair: FilePair, report: Report) -> list[Reported]:
    """Faces of a photo in a report; files are matched by their path, or by its end."""
    reported = report.get(pair.name)
    return next((faces for name, faces in report.items() if name.endswith(f"/{pair.name}")), []) if reported is None else reported


def _nearest(box: NDArray[np.float64], reported: Sequence[Reported]) -> Reported | None:
    overlaps = [float(geometry.box_iou(box, t.box_xyxy)[0, 0]) for t in reported]
    best = int(np.argmax(overlaps)) if overlaps else -1
    return reported[best] if best >= 0 and overlaps[best] >= _SAME_IOU else None
