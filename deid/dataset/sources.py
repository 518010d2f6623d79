"""Sources of a data set: a folder, a glob, or a table of paths, and how their bytes are read.

Shards and Hugging Face data sets, whose outputs are packed again at the end, have files of their own.
"""

import glob
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from deid.batch import files
from deid.core.errors import DataError, ImageReadError
from deid.dataset.labels import LABELS
from deid.imaging import codec, formats

Kind: TypeAlias = Literal["picture", "label", "other", "broken"]

#: No picture that is small enough to be opened is larger: eight bytes a pixel, uncompressed.
_MOST_BYTES = 8 * codec.MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a data set.

    Args:
        name: its name below the output, with ``/``; no two items share one.
        place: the file that holds its bytes.
        kind: a `picture` is anonymized, a `label` is carried over untouched, an `other` is left out, and a `broken` one failed
            already when it was listed.
        span: where its bytes lie in that file, as (offset, size); None for the whole file.
        boxes: known faces, xyxy pixels of the upright picture; none runs the detector.
        rows: the table's row of each box.
        size: width and height of the picture that the boxes refer to, where given.
        identity: person in the table; kept in the ledger and used for nothing.
        why: of an `other` or a `broken` one.
    """

    name: str
    place: str
    kind: Kind = "picture"
    span: tuple[int, int] | None = None
    boxes: tuple[tuple[float, ...], ...] = ()
    rows: tuple[int, ...] = ()
    size: tuple[int, int] | None = None
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
    """The folder beside an output for what must not be published: ledger, report and parts.

    Raises:
        DataError: nothing can be beside it.
    """
    if not out.name or out.name == "..":
        raise DataError(f"expected a new folder for the output, got {out}")
    return out.with_name(out.name + ".deid")


def kind_of(name: str) -> tuple[Kind, str]:
    """Kind of a file by its name, and the reason when it is left out."""
    base = name.rsplit("/", 1)[-1].lower()
    suffix = formats.suffix_of(base)
    if base.startswith("."):
        return "other", formats.why_not(base) or "a hidden file"
    if files.is_film(Path(base)):
        return "other", "a film; films are for `deid run`"
    if suffix in LABELS:
        return "label", ""
    if suffix == ".tar":
        return "other", "a shard inside a folder; give shards by name or by a glob such as 'folder/*.tar'"
    why = formats.why_not(base)
    return ("other", why.replace("neither a picture nor a film", "neither a picture nor a label file")) if why else ("picture", "")


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


class FilesAsTheyLie:
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
class Folder(FilesAsTheyLie):
    """Every file below a folder; an output inside it is left out."""

    root: Path
    out: Path

    def items(self) -> Iterator[Item]:
        for path, error in files.walk(self.root, self.out):
            if path.is_relative_to(private_folder(self.out)):
                continue
            name = path.relative_to(self.root).as_posix()
            yield Item(name, str(path), "broken", why=error) if error else _listed(name, path, self.root)


@dataclass(frozen=True, slots=True)
class Glob(FilesAsTheyLie):
    """The files that a pattern names; their tree is kept below its last folder without a wildcard."""

    pattern: str
    out: Path

    def items(self) -> Iterator[Item]:
        root, out = _fixed_folder(self.pattern), os.path.realpath(self.out)
        ours = (out + os.sep, str(private_folder(Path(out))) + os.sep)
        for found in sorted(glob.glob(self.pattern, recursive=True)):
            if not os.path.isdir(found) and not os.path.realpath(found).startswith(ours):
                yield _listed(Path(found).relative_to(root).as_posix(), Path(found), root)


def _listed(name: str, path: Path, root: Path) -> Item:
    kind, why = kind_of(name)
    if kind == "label" and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        # It would be copied as it is, whatever it is: a link may lead to anything that this user may read.
        kind, why = "other", "a link that leads out of the data set"
    return Item(name, str(path), kind, why=why)


def _fixed_folder(pattern: str) -> Path:
    parts = Path(pattern).parts
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first])


def open_source(given: str, out: Path) -> Source:
    """The data set that a path or a pattern names.

    Raises:
        DataError: there is none.
    """
    path = Path(given)
    if path.is_dir():
        if out != path and out.resolve().is_relative_to(path.resolve()):
            raise DataError(f"the output {out} lies inside the input {given}; choose a folder beside it")
        if (path / "dataset_dict.json").is_file() or ((path / "state.json").is_file() and (path / "dataset_info.json").is_file()):
            from deid.dataset.hugging_face import HuggingFace

            return HuggingFace(path)
        return Folder(path, out)
    if path.is_file():
        return _of_file(path)
    if path.exists():
        raise DataError(f"cannot read {given}: it is no regular file")
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
        from deid.dataset.table import Table

        return Table(path)
    if suffix == ".tar":
        from deid.dataset.shards import Shards

        return Shards((path,), path.parent)
    raise DataError(
        f"expected a table (.csv, .tsv, .parquet) or an uncompressed shard (.tar), got {path}; for single pictures there is `deid run`"
    )
