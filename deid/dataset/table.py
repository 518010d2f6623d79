"""Tables that name files, with boxes and identities. Rows are validated when their file is read."""

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deid.core.errors import DataError, DependencyError
from deid.core.types import Detection
from deid.dataset.folders import FilesAsTheyLie
from deid.dataset.items import Item

_PATHS, _BOXES, _IDENTITIES = ("path", "file_name", "filename", "file", "image"), ("boxes", "bboxes"), ("identity", "person")
_CORNERS = (("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
_SIZES = (("width", "height"), ("image_width", "image_height"), ("img_width", "img_height"))
#: Names that a box's column may have, and cells that look like one.
_LIKE_A_BOX = re.compile(
    r"([xywhlrtb]|c[xy]|[xy][-_ ]?(\d|min|max|c|center|centre|tl|br|offset)|(left|top|right|bottom|center|centre)([-_ ]?[xy])?"
    r"|.*(box|bbox|rect|roi\b|bounds|region|crop).*|(face|box|bb)?[-_ ]?(width|height|w|h))"
)
_FOUR = re.compile(r"[\[(\s]*-?[\d.]+(?:[eE][-+]?\d+)?(?:[\s,;]+-?[\d.]+(?:[eE][-+]?\d+)?){3}[\])\s]*")


@dataclass(slots=True)
class _Joined:
    """All rows of one path together."""

    boxes: tuple[tuple[float, ...], ...] = ()
    rows: tuple[int, ...] = ()
    size: tuple[int, int] | None = None
    identity: str = ""
    why: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Table(FilesAsTheyLie):
    """The files that a CSV or Parquet table names, with optional boxes and identities.

    Columns:

    - ``path`` (or ``file_name``, ``filename``, ``file``, ``image``), relative to the table's folder;
    - ``boxes``, a list of [x0, y0, x1, y1] or the same as JSON;
    - or four columns ``x0 y0 x1 y1`` (``xmin ymin xmax ymax``, ``x1 y1 x2 y2``, ``left top right bottom``) with a row per face;
    - ``width`` and ``height`` of the picture that the boxes refer to;
    - ``identity`` (or ``person``).

    Other columns are ignored, but a row with a box in one of them is refused. The tree is kept below the table's folder, or below the
    folder that all files share.
    """

    path: Path

    def items(self) -> Iterator[Item]:
        folder, rows = self.path.parent.resolve(), self._joined()
        root = folder
        if any(not Path(place).is_relative_to(folder) for place in rows):
            root = Path(os.path.commonpath([str(Path(place).parent) for place in rows]))
        yield self._itself(root)
        for place, joined in sorted(rows.items()):
            name = Path(place).relative_to(root).as_posix()
            if place == str(self.path.resolve()):
                raise DataError(f"{self.path} names itself")
            item = Item(name, place, boxes=joined.boxes, rows=joined.rows, size=joined.size, identity=joined.identity)
            yield replace(item, kind="broken", why="; ".join(joined.why)) if joined.why else item

    def _itself(self, root: Path) -> Item:
        """The table as a file of the data set: a label, where that can be."""
        place = self.path.resolve()
        if not place.is_relative_to(root):
            return Item(place.name, str(self.path), "other", why="the table lies outside the folder that its files share")
        name = place.relative_to(root).as_posix()
        if self.path.suffix.lower() == ".parquet":
            return Item(name, str(self.path), "other", why="a Parquet table, which may hold pictures, is not carried over")
        return Item(name, str(self.path), "label")

    def _joined(self) -> dict[str, _Joined]:
        """Rows by path."""
        joined: dict[str, _Joined] = {}
        for number, row in enumerate(_rows(self.path), 1):
            value = next((row[c] for c in _PATHS if row.get(c)), None)
            if not isinstance(value, str) or "\0" in value:
                raise DataError(
                    f"expected a column {', '.join(_PATHS)} with a file's name in {self.path}, got none in row {number} of {_columns(row)}"
                )
            place = os.path.normpath(self.path.parent.resolve() / value)
            _add(joined.setdefault(place, _Joined()), number, row)
        return joined


def _add(joined: _Joined, number: int, row: Mapping[str, Any]) -> None:
    """Add what a row says; what it says wrong is noted: a face that is known must not be lost."""
    try:
        boxes, size = _boxes(row), _size(row)
        if joined.size is not None and size is not None and joined.size != size:
            raise ValueError(f"expected the picture's size as in the rows before it, {joined.size}, got {size}")
        joined.boxes, joined.rows, joined.size = joined.boxes + boxes, joined.rows + (number,) * len(boxes), size or joined.size
    except RecursionError:
        joined.why.append(f"row {number} of the table: brackets within brackets, too many to be boxes")
    except (ValueError, TypeError, OverflowError) as error:
        joined.why.append(f"row {number} of the table: {error}")
    joined.identity = joined.identity or str(next((row[c] for c in _IDENTITIES if row.get(c) is not None), ""))


def _rows(path: Path) -> Iterable[Mapping[str, Any]]:
    """The rows by column, their names in lower case."""
    try:
        if path.suffix.lower() == ".parquet":
            yield from _parquet(path)
            return
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            _check_header(path, reader.fieldnames or [])
            yield from (_lowered(row) for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the table {path}: {error}") from error


def _lowered(row: Mapping[Any, Any]) -> dict[str, Any]:
    # The reader keeps the cells beyond the last column under None.
    return {"" if name is None else str(name).strip().lower(): value for name, value in row.items()}


def _check_header(path: Path, names: Iterable[str]) -> None:
    lowered = [name.strip().lower() for name in names]
    twice = sorted({name for name in lowered if lowered.count(name) > 1})
    if twice:
        raise DataError(f"expected columns with names of their own in {path}, got {twice[0]!r} twice")


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DependencyError("a Parquet table needs pyarrow: pip install 'deid-face[dataset]'") from error
    try:
        file = parquet.ParquetFile(path)
        _check_header(path, file.schema_arrow.names)
        for batch in file.iter_batches():
            yield from (_lowered(row) for row in batch.to_pylist())
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"cannot read the table {path}: {error}") from error


def _boxes(row: Mapping[str, Any]) -> tuple[tuple[float, ...], ...]:
    """The boxes of one row of a table.

    Raises:
        ValueError: one is no box, or may stand in a column that is not known. A face that is known must not be lost.
    """
    given = next((row[c] for c in _BOXES if row.get(c) not in (None, "")), None)
    boxes = json.loads(given) if isinstance(given, str) else given
    if boxes is not None and not isinstance(boxes, list):
        raise ValueError(f"expected a list of boxes [x0, y0, x1, y1], got {type(boxes).__name__}")
    boxes, known = list(boxes or []), {*_PATHS, *_BOXES, *_IDENTITIES}
    for corners in _CORNERS:
        if all(c in row for c in corners):
            known.update(corners)
            values = [row[c] for c in corners]
            boxes += [values] if any(v not in {None, ""} for v in values) else []
    _check_columns(row, known)
    for box in boxes:
        if not isinstance(box, list | tuple):
            raise ValueError(f"expected a box [x0, y0, x1, y1], got {box!r}"[:200])
    plain = tuple(tuple(_number(v) for v in box) for box in boxes)
    for box in plain:
        Detection(box)  # type: ignore[arg-type]
    return plain


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"expected a number, got {value!r}"[:200]) from error


def _columns(row: Mapping[str, Any]) -> str:
    """The names of a row's columns, to be shown."""
    return f"columns {', '.join(map(repr, row))}"[:200]


def _check_columns(row: Mapping[str, Any], known: set[str]) -> None:
    if row.get("") not in (None, ""):
        raise ValueError("more cells than columns")
    sizes = {name for pair in _SIZES if all(c in row for c in pair) for name in pair}
    # Beside x and y, a width is a box's.
    sizes = set() if {"x", "y"} & row.keys() else sizes
    for name, value in row.items():
        if name in known or name in sizes or value in (None, "", []):
            continue
        if (_LIKE_A_BOX.fullmatch(name) and any(c.isdigit() for c in str(value))) or _is_box(value):
            valid = ", ".join(["boxes", *(" ".join(c) for c in _CORNERS)])
            raise ValueError(f"column {name!r} may hold a box and is not known; known are {valid}")


def _is_box(value: object) -> bool:
    """Whether a cell looks like a box or a list of boxes."""
    if isinstance(value, str):
        return bool(_FOUR.fullmatch(value)) or value.lstrip().startswith(("[[", "[{"))
    if isinstance(value, dict):
        return any(_LIKE_A_BOX.fullmatch(str(key).lower()) for key in value)
    return isinstance(value, list) and (len(value) == 4 or any(isinstance(v, list | dict) for v in value))


def _size(row: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height of the picture that a row's boxes are of; None where it does not say."""
    for pair in _SIZES:
        if all(row.get(c) not in (None, "") for c in pair) and not {"x", "y"} & row.keys():
            width, height = (_number(row[c]) for c in pair)
            if not (width.is_integer() and height.is_integer() and width > 0 and height > 0):
                raise ValueError(f"expected a picture's size in whole pixels, got {width} x {height}")
            return int(width), int(height)
    return None
