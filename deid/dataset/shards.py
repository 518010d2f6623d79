"""Tar shards, such as WebDataset's: members keep their names and their order."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deid.dataset.sources import Item, kind_of
from deid.exceptions import DataError, ImageReadError


@dataclass(frozen=True, slots=True)
class Shards:
    """Uncompressed tar files; a worker reads a member where it lies, without what stands before it.

    Args:
        paths: of the shards.
        root: the folder below which their own tree is kept.
    """

    paths: tuple[Path, ...]
    root: Path

    packed = True

    def items(self) -> Iterator[Item]:
        for path in self.paths:
            names: set[str] = set()
            for member in self._members(path):
                if member.name in names:
                    raise DataError(f"expected members with names of their own in {path}, got {member.name!r} twice")
                names.add(member.name)
                kind, why = kind_of(member.name) if member.isreg() else ("other", "neither a file nor a folder")
                yield Item(f"{self._name(path)}/{member.name}", str(path), kind, (member.offset_data, member.size), why=why)

    def read(self, item: Item) -> bytes:
        assert item.span is not None  # set for every member
        offset, size = item.span
        try:
            with open(item.place, "rb") as shard:
                shard.seek(offset)
                data = shard.read(size)
        except OSError as error:
            raise ImageReadError(f"cannot read {item.place}: {error.strerror or error}") from error
        if len(data) < size:
            raise ImageReadError(f"cannot read {item.name}: expected {size} bytes, got {len(data)} before the shard's end")
        return data

    def pack(self, part: Callable[[str], bytes | None], out: Path) -> None:
        for path in self.paths:
            target = out / self._name(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            hidden = target.with_name(f".{target.name}.part")
            with tarfile.open(hidden, "w:") as shard:
                for member in self._members(path):
                    data = part(f"{self._name(path)}/{member.name}") if member.isreg() else None
                    if data is not None:
                        # A fresh header: owner and time of the old one concern no one.
                        header = tarfile.TarInfo(member.name)
                        header.size = len(data)
                        shard.addfile(header, io.BytesIO(data))
            os.replace(hidden, target)

    def outputs(self, out: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for path in sorted(p for p in out.rglob("*") if p.is_file()):
            name = path.relative_to(out).as_posix()
            if path.suffix.lower() != ".tar":
                yield name, path.read_bytes
                continue
            for member in self._members(path):
                item = Item(f"{name}/{member.name}", str(path), span=(member.offset_data, member.size))
                yield item.name, lambda item=item: self.read(item)  # type: ignore[misc]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    @staticmethod
    def _members(path: Path) -> Iterator[tarfile.TarInfo]:
        try:
            with tarfile.open(path, "r:") as shard:
                while (member := shard.next()) is not None:
                    if not member.isdir():
                        yield member
                    # tarfile remembers every member; a shard may have millions.
                    shard.members = []  # type: ignore[attr-defined]
        except (OSError, tarfile.TarError) as error:
            raise DataError(f"cannot read the shard {path}: {error}") from error
