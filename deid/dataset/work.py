"""Processing of one file by a worker, on any machine."""

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from deid._version import __version__
from deid.anonymizer import known_boxes
from deid.batch import pictures
from deid.core import seeds
from deid.core.errors import DataError, DeidError, ImageError
from deid.core.types import Detection
from deid.dataset import grid
from deid.dataset.grid import orientation, turned_box
from deid.dataset.items import Item, Source
from deid.dataset.labels import check_label
from deid.dataset.records import Record, Task
from deid.imaging import atomic, codec

if TYPE_CHECKING:
    from deid.anonymizer.protocols import PictureEngine

#: The bytes of a file, its faces, and notes on what was left out of it or changed.
_Output: TypeAlias = tuple[bytes, tuple[dict[str, Any], ...], tuple[str, ...]]
_PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "torch")


@dataclass(frozen=True, slots=True)
class Work:
    """Settings of a worker; it is sent to other processes and machines.

    Args:
        source: where the bytes are.
        target: the folder for the outputs, or for the parts that are packed at the end.
        make_engine: builds the anonymizer; called once per worker.
        seed: of the run.
    """

    source: Source
    target: Path
    make_engine: Callable[[], "PictureEngine"]
    seed: int

    def target_of(self, number: int, name: str) -> Path:
        """Where the output of an item goes. A part has a number for a name: a member of a shard may be called `../x`."""
        return self.target / f"{number // 1000}" / f"{number}" if self.source.packed else self.target / name


class Worker:
    """One copy of the models, and what it does with each file.

    Args:
        work: what to do.

    Raises:
        DeidError: the models cannot be loaded.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._engine = work.make_engine()

    def versions(self) -> dict[str, str]:
        """What the outputs depend on besides the options."""
        return versions()

    def do(self, task: Task) -> Record:
        """Handle one file; what goes wrong with it is in the record and never an exception."""
        started = time.perf_counter()
        number, item = task
        seed = seeds.seed_of(self._work.seed, number)
        record = Record(number, item.name, "failed", seed=seed or 0, label=item.kind == "label")
        try:
            data = self._work.source.read(item)
            record = replace(record, input_sha256=hashlib.sha256(data).hexdigest())
            out, faces, notes = self._label(data) if item.kind == "label" else self._picture(data, item, seed)
            atomic.write(out, self._work.target_of(number, item.name), overwrite=True)
        except _LabelError as error:
            record = replace(record, status="left out", why=str(error))
        except (ImageError, DataError) as error:
            record = replace(record, why=str(error))
        except Exception as error:
            # One bad file must not cost the rest; nothing has been written for it.
            record = replace(record, why=f"{type(error).__name__}: {error}")
        else:
            written = hashlib.sha256(out).hexdigest()
            record = replace(record, status="done", output_sha256=written, size=len(out), faces=faces, notes=notes)
        return replace(record, seconds=time.perf_counter() - started)

    def _picture(self, data: bytes, item: Item, seed: int | None) -> _Output:
        picture = codec.decode(data, item.name, self._engine.options.max_pixels)
        turn = orientation(data)
        boxes = known_faces(item, picture.frames[0].rgb.shape[:2], turn)
        edited, frames = pictures.anonymize(picture, self._engine, seed, boxes or None)
        faces = tuple(
            face.to_dict() | {"frame": number, "passed": face.verification.passed}
            for number, frame in enumerate(frames)
            for face in frame.faces
        )
        return grid.encode(edited, turn), faces, picture.notes

    @staticmethod
    def _label(data: bytes) -> _Output:
        if why := check_label(data):
            raise _LabelError(why)
        return data, (), ()


def known_faces(item: Item, size_hw: tuple[int, int], turn: int) -> list[Detection]:
    """The faces that a table names, in a picture of that size, which EXIF turned upright so.

    Raises:
        DataError: a box is not of this picture. Its row is named, and nothing of it is used.
    """
    upright = (size_hw[1], size_hw[0])
    lying = upright[::-1] if turn >= 5 else upright
    # A table that names the file's own size has its boxes in the file's own pixels.
    given = turn if item.size == lying != upright else 1
    if item.size not in (None, upright, lying):
        raise DataError(
            f"row {item.rows[0] if item.rows else '?'} of the table: its boxes are of a picture of {item.size}, this is {upright}"
        )
    boxes = [turned_box(box, given, lying) for box in item.boxes]
    wrong = [
        f"row {row} of the table: {why}" for row, box in zip(item.rows, boxes, strict=True) if (why := known_boxes.why_not(box, upright))
    ]
    if wrong:
        raise DataError("; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more rows" if len(wrong) > 5 else ""))
    return [Detection(np.array(box)) for box in boxes]


class _LabelError(DeidError):
    """A label file must not be carried over."""


def versions() -> dict[str, str]:
    """Versions of the packages that the outputs depend on, and the hash of the manifest of weights."""
    found = {"deid": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    # An engine of another kind, which has not loaded this module, uses none of our weights.
    if weights := sys.modules.get("deid.weights"):
        found["weights"] = hashlib.sha256((weights.folder() / "manifest.toml").read_bytes()).hexdigest()
    return found
