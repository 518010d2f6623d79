"""Tar shards, such as WebDataset's: members keep their names and order."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deid.core.errors import DataError, ImageReadError
from deid.dataset.folders import kind_of
from deid.dataset.items import Item
from deid.dataset.tar import Member, members


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
            n_found = 0
            for name, member in _named(path):
                n_found += not member.damage
                kind, why = kind_of(member.name) if member.regular else ("other", "neither a file nor a folder")
                kind, why = ("other", "its name leads out of the folder that it is unpacked to") if _leads_out(member.name) else (kind, why)
                kind, why = ("broken", member.damage) if member.damage else (kind, why)
                yield Item(f"{self._name(path)}/{name}", str(path), kind, (member.offset, member.size), why=why)
            if not n_found:
                raise DataError(f"cannot read the shard {path}: expected an uncompressed tar file with members, got none")

    def read(self, item: Item) -> bytes:
        assert item.span is not None  # set for every member
        if item.why:
            raise ImageReadError(f"cannot read {item.name}: {item.why}")
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
            hidden = target.with_name(".shard.part")
            with tarfile.open(hidden, "w:") as shard:
                for name, member in _named(path):
                    data = part(f"{self._name(path)}/{name}") if member.regular and not member.damage else None
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
            for member_name, member in _named(path):
                item = Item(f"{name}/{member_name}", str(path), span=(member.offset, member.size), why=member.damage)
                yield item.name, lambda item=item: self.read(item)  # type: ignore[misc]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _leads_out(name: str) -> bool:
    """Whether unpacking a member of that name may write beside the folder, as `/etc/x.jpg` and `a/../../x.jpg` do."""
    parts = name.replace("\\", "/").split("/")
    return not parts[0] or ".." in parts or parts[0].endswith(":")


def _named(path: Path) -> Iterator[tuple[str, Member]]:
    """The members of a shard, each with a name of its own: in a joined shard two may be called the same, and both are wanted."""
    taken: set[str] = set()
    for member in members(path):
        name, n = member.name, 1
        while name in taken:
            n += 1
            name = f"{member.name}#{n}"
        taken.add(name)
        yield name, member
