"""Members of a tar file, intact or damaged: joined files are read to their end, and every damage is named.

Python's `tarfile` ends in silence at the first end mark and at the first damaged header.
"""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deid.core.errors import DataError

_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True)
class Member:
    """One member, or one damage.

    Args:
        name: of the member; of a damage, what can be read of it, or where it is.
        offset: of its bytes in the file.
        size: in bytes.
        regular: whether it is a plain file, and not a link, a device or the like.
        damage: what is wrong; empty for a member that can be read.
    """

    name: str
    offset: int
    size: int
    regular: bool = True
    damage: str = ""


def members(path: Path) -> Iterator[Member]:
    """Every member but folders, in order, and every damage.

    Raises:
        DataError: the file cannot be opened.
    """
    try:
        with open(path, "rb") as file:
            yield from _Walk(file)
    except OSError as error:
        raise DataError(f"cannot read the shard {path}: {error.strerror or error}") from error


class _Walk:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        # An empty archive, which is asked to read the headers of this one.
        self._archive = tarfile.open(fileobj=io.BytesIO(bytes(2 * _BLOCK)), mode="r:")  # noqa: SIM115
        self._archive.fileobj = file

    def __iter__(self) -> Iterator[Member]:
        at, ended, whole = 0, False, True
        while at < self._size:
            header, why = self._header(at)
            if header is not None:
                at, ended, whole = self._next(at), False, True
                if not header.isdir():
                    yield self._member(header)
            elif not why:
                at, ended = at + _BLOCK, True
            else:
                # What follows a damaged header is its data, up to the next good header: said once.
                if whole:
                    yield Member(self._named(at), at, 0, damage=f"the shard is damaged at byte {at}: {why}")
                at, whole = at + _BLOCK, False
        if not ended:
            yield Member("the end", self._size, 0, damage="the shard is cut short: the mark of its end is missing")

    def _header(self, at: int) -> tuple[tarfile.TarInfo | None, str]:
        """The member whose header lies there, or nothing for an empty block, or what is wrong."""
        self._file.seek(at)
        self._archive.offset = at
        try:
            header = tarfile.TarInfo.fromtarfile(self._archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            return None, ""
        except Exception as error:
            # Sizes that are no numbers, names that are no text, headers that lead nowhere.
            return None, str(error) or type(error).__name__
        if header.size < 0 or self._archive.offset <= at:
            return None, "a size that makes no sense"
        return header, ""

    def _next(self, at: int) -> int:
        return max(int(self._archive.offset), at + _BLOCK)

    def _member(self, header: tarfile.TarInfo) -> Member:
        damage = "a sparse member, which is not read" if header.issparse() else ""
        if not damage and header.isreg() and header.offset_data + header.size > self._size:
            damage = f"the shard is cut short: expected {header.size} bytes, got {max(0, self._size - header.offset_data)}"
        return Member(header.name, header.offset_data, header.size, header.isreg(), damage)

    def _named(self, at: int) -> str:
        """What can be read of a damaged header's name."""
        self._file.seek(at)
        raw = self._file.read(_BLOCK)
        name = raw[:100].split(b"\0", 1)[0].decode("ascii", "replace")
        legible = raw[257:262] == b"ustar" and name and name.isprintable()
        return f"{name} (at byte {at})" if legible else f"byte {at}"
