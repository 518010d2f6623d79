"""Where the files of a data set lie, and how their bytes are read: a folder, a glob, or a table of paths.

Shards and Hugging Face data sets, whose outputs are packed again at the end, have files of their own.
"""

import csv
import glob
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from deid import files
from deid import image as images
from deid.exceptions import DataError, DependencyError, ImageReadError
from deid.structures import Detection

Kind: TypeAlias = Literal["picture", "label", "other", "broken"]

#: Text files that describe pictures: COCO's JSON, VOC's XML, YOLO's text and YAML, lists and tables.
LABELS = frozenset({".cls", ".csv", ".data", ".id", ".json", ".jsonl", ".names", ".tsv", ".txt", ".xml", ".yaml", ".yml"})
#: No picture that is small enough to be opened is larger: eight bytes a pixel, uncompressed.
_MOST_BYTES = 8 * images.MAX_PIXELS
#: How JPEG, PNG, GIF and RIFF files begin when text holds them, and any other run of base64 that is as long as a thumbnail.
EMBEDDED = re.compile(rb"/9j/(?:4|2wB|7)|iVBORw0KGgo|R0lGODdh|R0lGODlh|UklGR[A-Za-z0-9+/]{20}|[A-Za-z0-9+/]{512}")
_PATHS, _BOXES, _IDENTITIES = ("path", "file_name", "filename", "file", "image"), ("boxes", "bboxes"), ("identity", "person")
_CORNERS = (("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax"))


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a data set.

    Args:
        name: its name below the output, with ``/``; no two items share one.
        place: the file that holds its bytes.
        kind: a `picture` is anonymised, a `label` is carried over untouched, an `other` is left out, and a `broken` one failed
            already when it was listed.
        span: where its bytes lie in that file, as (offset, size); None for the whole file.
        boxes: faces that are known, xyxy pixels of the upright picture; none asks the detector.
        identity: who is in it, as the table says; kept in the ledger and used for nothing.
        why: of an `other` or a `broken` one.
    """

    name: str
    place: str
    kind: Kind = "picture"
    span: tuple[int, int] | None = None
    boxes: tuple[tuple[float, ...], ...] = ()
    identity: str = ""
    why: str = ""


class Source(Protocol):
    """A data set. It travels to the workers, so it pickles.

    Attributes:
        packed: whether the outputs are parts that `pack` puts together at the end.
    """

    @property
    def packed(self) -> bool: ...

    def items(self) -> Iterator[Item]:
        """Every file, in an order that does not change."""
        ...

    def read(self, item: Item) -> bytes:
        """The bytes of one file; an `ImageReadError` says why there are none."""
        ...

    def pack(self, part: Callable[[str], bytes | None], out: Path) -> None:
        """Put the outputs together; ``part`` gives the bytes for a name, None for what failed or is left out."""
        ...

    def outputs(self, out: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Name and bytes of everything that lies in the output."""
        ...


def private_folder(out: Path) -> Path:
    """The folder beside an output for what must not be published: ledger, report and parts."""
    return out.with_name(out.name + ".deid")


def kind_of(name: str) -> tuple[Kind, str]:
    """What becomes of a file with that name, and why when it is left out."""
    base = name.rsplit("/", 1)[-1].lower()
    suffix = os.path.splitext(base)[1]
    if base.startswith("."):
        return "other", "a hidden file"
    if suffix in files.known_suffixes():
        return "picture", ""
    if suffix in LABELS:
        return "label", ""
    if suffix == ".tar":
        return "other", "a shard inside a folder; give shards by name or by a glob such as 'folder/*.tar'"
    return "other", "neither a picture nor a label file that is known"


def check_label(data: bytes) -> str:
    """Why the bytes of a label file must not be carried over, or nothing: what is no text, or holds a picture, may show a face."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return f"expected a label file in UTF-8, got other bytes at {error.start}"
    if "\0" in text:
        return "expected a label file in UTF-8, got zero bytes"
    if found := EMBEDDED.search(data):
        return f"the label file holds what looks like a picture in base64 at byte {found.start()}; take it out"
    return ""


def read_file(path: str | Path) -> bytes:
    """The bytes of a regular file of bounded size.

    Raises:
        ImageReadError: it cannot be read, or is a pipe, a device or too large.
    """
    try:
        info = os.stat(path)
        if not stat.S_ISREG(info.st_mode):
            raise ImageReadError(f"cannot read {path}: it is no regular file")
        if info.st_size > _MOST_BYTES:
            raise ImageReadError(f"cannot read {path}: {info.st_size} bytes are more than {_MOST_BYTES}")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ImageReadError(f"cannot read {path}: {error.strerror or error}") from error


class _Files:
    """Files that lie open, and go to files of the same names."""

    packed = False

    def read(self, item: Item) -> bytes:
        return read_file(item.place)

    def pack(self, part: Callable[[str], bytes | None], out: Path) -> None:
        """Nothing to do: every output is in its place."""

    def outputs(self, out: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for path, error in files.walk(out, out):
            if error:
                raise DataError(f"cannot walk {path}: {error}")
            yield path.relative_to(out).as_posix(), lambda path=path: read_file(path)  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Folder(_Files):
    """Every file below a folder; an output inside it is left out."""

    root: Path
    out: Path

    def items(self) -> Iterator[Item]:
        for path, error in files.walk(self.root, self.out):
            if path.is_relative_to(private_folder(self.out)):
                continue
            name = path.relative_to(self.root).as_posix()
            yield Item(name, str(path), "broken", why=error) if error else _listed(name, path)


@dataclass(frozen=True, slots=True)
class Glob(_Files):
    """The files that a pattern names; their tree is kept below its last folder without a wildcard."""

    pattern: str
    out: Path

    def items(self) -> Iterator[Item]:
        root, out = _fixed_folder(self.pattern), os.path.realpath(self.out)
        ours = (out + os.sep, str(private_folder(Path(out))) + os.sep)
        for found in sorted(glob.glob(self.pattern, recursive=True)):
            if not os.path.isdir(found) and not os.path.realpath(found).startswith(ours):
                yield _listed(Path(found).relative_to(root).as_posix(), Path(found))


def _listed(name: str, path: Path) -> Item:
    kind, why = kind_of(name)
    return Item(name, str(path), kind, why=why)


def _fixed_folder(pattern: str) -> Path:
    parts = Path(pattern).parts
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first])


@dataclass(frozen=True, slots=True)
class Table(_Files):
    """The files that a CSV or Parquet table names, with optional boxes and identities.

    Columns: ``path`` (or ``file_name``, ``filename``, ``file``, ``image``), from the table's folder; ``boxes``, a list of
    [x0, y0, x1, y1] or that as JSON, or four columns ``x0 y0 x1 y1`` (``xmin ymin xmax ymax``) with a row per face; ``identity``
    (or ``person``). The tree is kept below the table's folder, or below the folder that all files share.
    """

    path: Path

    def items(self) -> Iterator[Item]:
        folder, rows = self.path.parent.resolve(), self._joined()
        root = folder
        if any(not Path(place).is_relative_to(folder) for place in rows):
            root = Path(os.path.commonpath([str(Path(place).parent) for place in rows]))
        if self.path.suffix.lower() != ".parquet" and folder.is_relative_to(root):
            yield Item(self.path.resolve().relative_to(root).as_posix(), str(self.path), "label")
        for place, (boxes, identity, why) in sorted(rows.items()):
            name = Path(place).relative_to(root).as_posix()
            if place == str(self.path.resolve()):
                raise DataError(f"{self.path} names itself")
            yield Item(name, place, "broken" if why else "picture", None, boxes, identity, why)

    def _joined(self) -> dict[str, tuple[tuple[tuple[float, ...], ...], str, str]]:
        """Boxes, identity and error by path; the rows of one path are put together."""
        joined: dict[str, tuple[tuple[tuple[float, ...], ...], str, str]] = {}
        for number, row in enumerate(_rows(self.path), 1):
            value = next((row[c] for c in _PATHS if row.get(c)), None)
            if value is None:
                raise DataError(f"expected a column {', '.join(_PATHS)} in {self.path}, got none in row {number}")
            place = os.path.normpath(self.path.parent.resolve() / str(value))
            boxes, identity, why = joined.get(place, ((), "", ""))
            try:
                boxes += _boxes(row)
            except (ValueError, TypeError) as error:
                why = why or f"row {number} of the table: {error}"
            identity = identity or str(next((row[c] for c in _IDENTITIES if row.get(c) is not None), ""))
            joined[place] = (boxes, identity, why)
        return joined


def _rows(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        if path.suffix.lower() == ".parquet":
            yield from _parquet(path)
            return
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the table {path}: {error}") from error


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DependencyError("a Parquet table needs pyarrow: pip install 'deid-face[dataset]'") from error
    try:
        for batch in parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise DataError(f"cannot read the table {path}: {error}") from error


def _boxes(row: Mapping[str, Any]) -> tuple[tuple[float, ...], ...]:
    """The boxes of one row of a table.

    Raises:
        ValueError: one is no box. A face that is known must not be lost.
    """
    given = next((row[c] for c in _BOXES if row.get(c)), None)
    boxes = (json.loads(given) if isinstance(given, str) else given) or []
    for corners in _CORNERS:
        values = [row.get(c) for c in corners]
        if any(v not in {None, ""} for v in values):
            boxes = [*boxes, values]
    plain = tuple(tuple(float(v) for v in box) for box in boxes)
    for box in plain:
        Detection(box)  # type: ignore[arg-type]
    return plain


def open_source(given: str, out: Path) -> Source:
    """The data set that a path or a pattern names.

    Raises:
        DataError: there is none.
    """
    path = Path(given)
    if path.is_dir():
        if (path / "dataset_dict.json").is_file() or ((path / "state.json").is_file() and (path / "dataset_info.json").is_file()):
            from deid.dataset.hugging_face import HuggingFace

            return HuggingFace(path)
        return Folder(path, out)
    if path.is_file():
        return _of_file(path)
    if glob.has_magic(given):
        found = sorted(glob.glob(given, recursive=True))
        if found and all(f.lower().endswith(".tar") for f in found):
            from deid.dataset.shards import Shards

            return Shards(tuple(Path(f) for f in found), _fixed_folder(given))
        return Glob(given, out)
    raise DataError(f"expected a folder, a pattern, a table, a shard or a Hugging Face data set, got {given!r}, which is not there")


def _of_file(path: Path) -> Source:
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv", ".parquet"}:
        return Table(path)
    if suffix == ".tar":
        from deid.dataset.shards import Shards

        return Shards((path,), path.parent)
    raise DataError(
        f"expected a table (.csv, .tsv, .parquet) or an uncompressed shard (.tar), got {path}; for single pictures there is `deid run`"
    )
