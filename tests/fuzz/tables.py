"""Tables that say wrong things of their pictures: no mark is left, every row is accounted for, and nothing but our own errors is raised.

python tests/fuzz/tables.py --count 200 --seed 0

Every table has its own seed, printed when it goes wrong: `--count 1 --seed N` draws it again.
"""

import csv
import io
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz import inputs

Random = np.random.Generator
Box = NDArray[np.float64]
W, H = inputs.SIZE_WH

#: What may become of a box; True where the row is still a right one.
CHANGES: dict[str, tuple[Callable[[Box, Random], object], bool]] = {
    "right": (lambda b, r: b.tolist(), True),
    "over the border": (lambda b, r: (b + np.array([-4, -4, 4, 4])).tolist(), True),
    "normalised": (lambda b, r: (b / [W, H, W, H]).tolist(), False),
    "beyond": (lambda b, r: (b + np.array([W, 0, W, 0])).tolist(), False),
    "for a larger picture": (lambda b, r: (b * 8 + 400).tolist(), False),
    "huge": (lambda b, r: [0, 0, 1e308, 1e308], False),
    "infinite": (lambda b, r: [0, 0, float("inf"), 5], False),
    "not a number": (lambda b, r: [float("nan"), 0, 5, 5], False),
    "turned round": (lambda b, r: b[[2, 3, 0, 1]].tolist(), False),
    "three numbers": (lambda b, r: b[:3].tolist(), False),
    "text": (lambda b, r: ["a", "b", "c", "d"], False),
    "an object": (lambda b, r: {"x": 1}, False),
    "digits": (lambda b, r: [0, 0, 10**400, 1], False),
    "nested": (lambda b, r: [[[[1]]]], False),
}
_CORNERS = (
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
    # Names that do not say what they mean.
    ("x", "y", "w", "h"),
    ("cx", "cy", "bw", "bh"),
)


def draw(folder: Path, rng: Random) -> tuple[Path, dict[str, list[Box]], set[str], bool]:
    """Draw pictures and a table: its path, the marks of each picture, what must not come out, and whether its bytes are damaged."""
    marks = {}
    for i in range(rng.integers(1, 5)):
        data, marks[f"{i}.png"] = inputs.picture(rng)
        (folder / f"{i}.png").write_bytes(data)
    rows, wrong = (_in_cells if rng.random() < 0.6 else _in_columns)(marks, rng)
    text = _written(rows)
    damaged = bool(rng.random() < 0.4)
    data = _damaged(text.encode(), rng) if damaged else text.encode()
    path = folder / ("t.tsv" if damaged and rng.random() < 0.1 else "t.csv")
    path.write_bytes(data)
    return path, marks, wrong, damaged


def _changed(box: Box, rng: Random) -> tuple[object, bool]:
    name = "right" if rng.random() < 0.5 else str(rng.choice(list(CHANGES)))
    change, right = CHANGES[name]
    return change(box, rng), right


def _in_cells(marks: dict[str, list[Box]], rng: Random) -> tuple[list[list[object]], set[str]]:
    """One row for a picture, its boxes as JSON; some marks are not told."""
    rows, wrong = [["path", str(rng.choice(["boxes", "bboxes", "Boxes", "face_boxes"]))]], set()
    unknown = rows[0][1] == "face_boxes"
    for name, boxes in marks.items():
        listed = [_changed(box, rng) for box in boxes if rng.random() < 0.65]
        rows.append([name, json.dumps([box for box, _ in listed])])
        if not all(right for _, right in listed) or (unknown and listed):
            wrong.add(name)
    return rows, wrong  # type: ignore[return-value]


def _in_columns(marks: dict[str, list[Box]], rng: Random) -> tuple[list[list[object]], set[str]]:
    """One row for a face, with its corners in columns."""
    corners = _CORNERS[rng.integers(len(_CORNERS))]
    rows, wrong = [["file", *corners]], set()
    for name, boxes in marks.items():
        rows.append([name, "", "", "", ""])
        for box in boxes:
            values, right = _changed(box, rng)
            if not isinstance(values, list) or len(values) != 4:
                continue
            rows.append([name, *values])
            if not right or corners in _CORNERS[3:]:
                wrong.add(name)
    return rows, wrong  # type: ignore[return-value]


def _written(rows: list[list[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def _damaged(data: bytes, rng: Random) -> bytes:
    """A table with bytes changed, cut, doubled or put in."""
    raw = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(len(raw) + 1))
        kind = rng.integers(4)
        if kind == 0 and at < len(raw):
            raw[at] = int(rng.integers(256))
        elif kind == 1:
            del raw[at:]
        elif kind == 2:
            raw[at:at] = raw[at : at + 40]
        else:
            raw[at:at] = rng.choice([b"[" * 3000, b'"', b",,,,", b"\r", b"\n\n", b"\xff", b"\0", b"9" * 400, b"../", b";"])
    return bytes(raw)


def wrong_with(seed: int) -> str:
    """What went wrong with the table of a seed, or nothing."""
    rng = np.random.default_rng(seed)
    with inputs.scratch() as name:
        folder = Path(name) / "in"
        folder.mkdir()
        path, marks, wrong, damaged = draw(folder, rng)
        try:
            found = inputs.outcome(path, Path(name) / "out")
        except Exception:
            return traceback.format_exc()
    if found.error:
        return "" if damaged else f"refused as a whole: {found.error}"
    pictures = {name: data for name, data in found.outputs.items() if name.endswith(".png")}
    if left := [name for name, data in pictures.items() if inputs.has_mark(data)]:
        return f"a mark is left in {left}"
    if found.totals.pending or len(found.failed) + len(found.outputs) != found.totals.files or not all(found.failed.values()):
        return f"not all are accounted for: {found.totals}, {found.failed}"
    if damaged:
        return ""
    if wrong & pictures.keys():
        return f"a wrong row cost nothing: {wrong & pictures.keys()}"
    if lost := marks.keys() - wrong - pictures.keys():
        return f"a right row was refused: { {name: found.failed.get(name) for name in lost} }"
    if bool(found.problems) != bool(wrong):
        return f"--verify says {found.problems} where {wrong} are wrong"
    return ""


if __name__ == "__main__":
    sys.exit(inputs.main(__doc__, "tables", wrong_with))
