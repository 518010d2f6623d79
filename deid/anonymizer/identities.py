"""People who were seen before, so that one keeps the same new face through a whole data set."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from deid.anonymizer.fallback import Rung
from deid.core.protocols import Embedder
from deid.core.types import Embeddings

#: Faces of fewer pixels are taken for nobody: blurred ones all look alike to a recogniser.
RECOGNISABLE = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody with a new face.

    Args:
        embeddings: (1, D) rows, one per embedder, of the first face that was seen.
        rung: how that face was edited, with its attribute set.
    """

    embeddings: tuple[Embeddings, ...]
    rung: Rung


class People:
    """Everybody whom one engine has given a new face; in memory alone, and never written.

    Args:
        embedders: two faces are one person's when all of these say so.
    """

    def __init__(self, embedders: Sequence[Embedder]) -> None:
        self._thresholds = np.array([e.threshold for e in embedders])
        self._people: list[Person] = []
        #: Held for a whole picture: whoever is in it is known before the next picture begins.
        self.lock = threading.RLock()

    def find(self, embeddings: tuple[Embeddings, ...], taken: Collection[Person] = ()) -> Person | None:
        """Who has this face: the nearest person whom all embedders take for the same one, and who is not taken."""
        free = [person for person in self._people if person not in taken]
        if not free:
            return None
        distances = np.array([_distances(embeddings, person.embeddings) for person in free])
        nearest = int(distances.max(axis=1).argmin())
        return free[nearest] if (distances[nearest] < self._thresholds).all() else None

    def add(self, embeddings: tuple[Embeddings, ...], rung: Rung) -> None:
        """Somebody new, with the rung that gave the new face."""
        self._people.append(Person(embeddings, rung))


def _distances(a: tuple[Embeddings, ...], b: tuple[Embeddings, ...]) -> list[float]:
    return [float(np.linalg.norm(x - y)) for x, y in zip(a, b, strict=True)]
