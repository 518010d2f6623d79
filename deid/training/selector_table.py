"""The selector's table: results for many people under many pairs of stand-in and attribute set.

Every new face is made and judged as the product does it: a face of a photo at the photo's own scale, the stand-ins that would be reserved
for it, the editor's first strength, pasted and seen by the gate. A second recogniser, which the product does not have, looks too.
"""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError
from deid.core.types import Embeddings
from deid.editing.looks import Looks
from deid.training.data import split_of


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """F people, one face each, under S pairs each.

    Args:
        identities: (F,) whose face.
        looks: (F, 189) features of the face, see `Looks.row`.
        second_embeddings: (F, 128) the second recogniser's, before.
        rows: (F, S, SET_SIZE) what the editor was given.
        distance: (F, S) dlib's distance to the face before, the nearer one of the gate's two views.
        second: (F, S) the second recogniser's.
        iou: (F, S) overlap with what the detector finds again; 0 for nothing.
        realism: (F, S) the critic's score.
        fit: (F, S) how well the new face fits the photo, see `Proposal.fit`.
        passed: (F, S) the gate's verdict.
    """

    identities: NDArray[np.str_]
    looks: NDArray[np.float32]
    second_embeddings: Embeddings
    rows: NDArray[np.float32]
    distance: NDArray[np.float32]
    second: NDArray[np.float32]
    iou: NDArray[np.float32]
    realism: NDArray[np.float32]
    fit: NDArray[np.float32]
    passed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.identities)

    def where(self, mask: NDArray[Any]) -> "Table":
        """The people of a mask (F,)."""
        return Table(**{name: column[mask] for name, column in self.columns().items()})

    def split(self, name: str) -> "Table":
        """The people of `train`, `validation` or `test`."""
        return self.where(np.array([split_of(i) == name for i in self.identities], bool))

    @property
    def faces(self) -> list[Looks]:
        """Features of each person."""
        cuts = np.cumsum([7, 36, 3, len(ATTRIBUTES), 128])
        parts = (np.split(row.astype(np.float64), cuts) for row in self.looks)
        return [Looks(a, b, c, d, e, float(rest[0]), float(rest[1])) for a, b, c, d, e, rest in parts]

    def columns(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def save(self, path: Path) -> None:
        """Write it as npz, appearing whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
        np.savez_compressed(scratch, allow_pickle=False, **self.columns())
        os.replace(scratch, path)


def read(path: Path) -> Table:
    """A table that `Table.save` wrote.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return Table(**{f.name: file[f.name] for f in dataclasses.fields(Table)})
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"expected a selector's table in {path}, got {error}") from error


def join(parts: Sequence[Table]) -> Table:
    """The people of several tables one after another."""
    return Table(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in dataclasses.fields(Table)))
