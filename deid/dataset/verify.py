"""Verification of an output: every file matches the ledger, no file is extra, and a second search detects no exposed face."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import known_boxes
from deid.core.errors import DeidError, ImageError, ImageReadError
from deid.dataset import grid, rows
from deid.dataset.items import Item, Source
from deid.dataset.ledger import Ledger
from deid.imaging import codec, geometry
from deid.imaging.codec import Picture

if TYPE_CHECKING:
    from deid.anonymizer.protocols import PictureEngine

#: Beside faces that were edited, only what the detector is so sure of is a problem: on a street photo with 29 faces, edited, it took hair
#: and letters for four more, at 0.45 to 0.52. In a picture that is as it was, whatever it finds is one.
_SURE = 0.7


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one output.

    Args:
        name: of the file.
        what: is wrong.
    """

    name: str
    what: str


def verify(ledger: Ledger, source: Source, out: Path) -> Iterator[Problem]:
    """Walk the output again.

    Args:
        ledger: of the run.
        source: the data set, and the layout of its outputs.
        out: the output.

    Returns:
        What is wrong; nothing when every listed file is accounted for.
    """
    yield from _unfinished(ledger)
    yield from _not_passed(ledger)
    expected = dict(ledger.select("SELECT name, output_sha256 FROM files WHERE status = 'done' ORDER BY id"))
    for name, read in source.outputs(out):
        sha256 = expected.pop(name, None)
        if sha256 is None:
            yield Problem(name, "is in the output but not in the ledger")
            continue
        try:
            found = hashlib.sha256(read()).hexdigest()
        except (OSError, ImageReadError) as error:
            yield Problem(name, f"cannot be read: {error}")
            continue
        if found != sha256:
            yield Problem(name, f"expected sha256 {sha256[:12]}, got {found[:12]}: it was changed or cut after it was written")
    for name in expected:
        yield Problem(name, "is missing")


def _unfinished(ledger: Ledger) -> Iterator[Problem]:
    for name, status, why in ledger.select("SELECT name, status, why FROM files WHERE status IN ('pending', 'failed') ORDER BY id"):
        yield Problem(name, f"failed: {why}" if status == "failed" else "was not done; run again with --resume")


def _not_passed(ledger: Ledger) -> Iterator[Problem]:
    """Faces that no gate let pass, judged by the distances that were stored and not by the word that was."""
    for (name,) in ledger.select(
        "SELECT name FROM files WHERE status = 'done' AND faces != (SELECT COUNT(*) FROM faces WHERE file = files.id)"
    ):
        yield Problem(name, "has fewer or more faces in the ledger than were found in it")
    query = "SELECT name, method, passed, distances FROM faces JOIN files ON files.id = faces.file WHERE files.status = 'done'"
    for name, method, passed, distances in ledger.select(query):
        far = all(d["distance"] > d["threshold"] for d in json.loads(distances))
        # One colour hides a face whatever a recogniser makes of it.
        if not passed or not (far or method == "solid"):
            yield Problem(name, f"holds a face under {method} that did not pass")


def look_again(
    ledger: Ledger, source: Source, out: Path, engine: "PictureEngine", notify: Callable[[int, int], None] = lambda done, of: None
) -> Iterator[Problem]:
    """Search every picture of the output for faces where nothing was edited.

    Args:
        ledger: of the run.
        source: the data set; where an input is still there, the output is held against it, and else against the boxes in the ledger.
        out: the output.
        engine: whose detector searches.
        notify: called with the number of searched pictures, and their total.
    """
    done = {item.name: (number, item, sha256) for number, item, sha256 in _done(ledger)}
    only = ledger.facts().get("options.boxes") == "only"
    n_seen = 0
    for name, read in source.outputs(out):
        if name not in done:
            continue
        number, item, sha256 = done[name]
        try:
            data = read()
            yield from _exposed(data, number, item, sha256, ledger, source, engine, only and bool(item.boxes))
        except (OSError, DeidError, ValueError) as error:
            yield Problem(name, f"cannot be looked at again: {error}")
        n_seen += 1
        notify(n_seen, len(done))


def _exposed(
    data: bytes, number: int, item: Item, sha256: str, ledger: Ledger, source: Source, engine: "PictureEngine", only: bool
) -> Iterator[Problem]:
    limit = engine.options.max_pixels
    after = codec.decode(data, item.name, limit)
    before = _as_written_untouched(source, item, sha256, limit)
    boxes = _boxes(ledger, number)
    for i, frame in enumerate(after.frames):
        if before is not None and i < len(before.frames) and before.frames[i].rgb.shape == frame.rgb.shape:
            touched = known_boxes.changed(before.frames[i].rgb, frame.rgb)
        else:
            touched = _inside([box for at, box in boxes if at == i], frame.rgb.shape[:2])
        if only and touched.any():
            # With `boxes = "only"` no other faces are edited.
            continue
        least = _SURE if touched.any() else 0.0
        for detection in known_boxes.exposed((d for d in engine.detector.detect(frame.rgb) if d.score >= least), touched):
            x0, y0, x1, y1 = (round(float(v)) for v in detection.box_xyxy)
            what = f"a face is found at [{x0}, {y0}, {x1}, {y1}], where the picture is as it was"
            yield Problem(item.name, what + (f" (frame {i})" if len(after.frames) > 1 else ""))


def _as_written_untouched(source: Source, item: Item, sha256: str, limit: int) -> Picture | None:
    """What the output would be with nothing edited in it; None where the input is another one or not there."""
    try:
        data = source.read(item)
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        picture = codec.decode(data, item.name, limit)
        return codec.decode(grid.encode(picture, grid.orientation(data)), item.name, limit)
    except (OSError, ImageError):
        return None


def _done(ledger: Ledger) -> Iterator[tuple[int, Item, str]]:
    """Number, file and input hash of every picture that is done."""
    query = f"SELECT input_sha256, {rows.ITEM} FROM files WHERE status = 'done' AND kind = 'picture' ORDER BY id"
    yield from ((row[1], rows.item(*row[2:]), row[0] or "") for row in ledger.select(query))


def _boxes(ledger: Ledger, number: int) -> list[tuple[int, list[float]]]:
    """Frame and box of each face of a file."""
    query = "SELECT frame, box FROM faces WHERE file = ? ORDER BY frame, face"
    return [(frame, json.loads(box)) for frame, box in ledger.select(query, (number,))]


def _inside(boxes: list[list[float]], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W), where the boxes of edited faces are."""
    touched = np.zeros(size_hw, bool)
    for box in boxes:
        touched[geometry.box_to_slices(np.array(box), size_hw)] = True
    return touched
