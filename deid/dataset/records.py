"""A file to do, and what became of it."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from deid.dataset.items import Item

#: A file and its number in the listing.
Task: TypeAlias = tuple[int, Item]


@dataclass(frozen=True, slots=True)
class Record:
    """The result for one file, without its pixels.

    Args:
        number: its number in the listing.
        name: its name.
        status: `done` when the output is in its place; `failed` when there is none; `left out` for a label that must not be copied.
        why: it failed.
        input_sha256: of the bytes that were read; empty when none were.
        output_sha256: of the bytes that were written.
        size: of the output in bytes.
        seed: that the pictures' seeds were drawn from.
        seconds: it took.
        label: whether it is a label file.
        faces: `FaceResult.to_dict` of each face, with ``frame`` and ``passed``.
        notes: what was left out of the file or changed, besides its faces.
    """

    number: int
    name: str
    status: Literal["done", "failed", "left out"]
    why: str = ""
    input_sha256: str = ""
    output_sha256: str = ""
    size: int = 0
    seed: int = 0
    seconds: float = 0.0
    label: bool = False
    faces: tuple[dict[str, Any], ...] = field(default=())
    notes: tuple[str, ...] = ()

    @property
    def n_fallback(self) -> int:
        return sum(face["status"] == "fallback" for face in self.faces)


def lost(task: Task, why: str) -> Record:
    """The record of a file whose workers died."""
    number, item = task
    return Record(number, item.name, "failed", why)
