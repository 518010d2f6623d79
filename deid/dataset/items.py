"""The files of a data set, and what a source of them does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["picture", "label", "other", "broken"]


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
