"""Files that lie open: below a folder, or by a pattern."""

import glob
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deid.batch import walk
from deid.core.errors import DataError, ImageReadError
from deid.dataset.items import Item, Kind
from deid.dataset.labels import LABELS
from deid.imaging import codec, formats

#: No picture that is small enough to be opened is larger: eight bytes a pixel, uncompressed.
_MOST_BYTES = 8 * codec.MAX_PIXELS


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
    if walk.is_video(Path(base)):
        return "other", "a video; videos are for `deid run`"
    if suffix in LABELS:
        return "label", ""
    if suffix == ".tar":
        return "other", "a shard inside a folder; give shards by name or by a glob such as 'folder/*.tar'"
    why = formats.why_not(base)
    return ("other", why.replace("neither a picture nor a video", "neither a picture nor a label file")) if why else ("picture", "")


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
        for path, error in walk.walk(out, out):
            if error:
                raise DataError(f"cannot walk {path}: {error}")
            yield path.relative_to(out).as_posix(), lambda path=path: read_file(path)  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Folder(FilesAsTheyLie):
    """Every file below a folder; an output inside it is left out."""

    root: Path
    out: Path

    def items(self) -> Iterator[Item]:
        for path, error in walk.walk(self.root, self.out):
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
        root, out = fixed_folder(self.pattern), os.path.realpath(self.out)
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


def fixed_folder(pattern: str) -> Path:
    parts = Path(pattern).parts
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first])
