"""People from earlier pictures, who keep the same new face through a whole data set."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from deid.anonymizer.face import RECOGNISABLE, Face, Person
from deid.anonymizer.fallback import levels_after
from deid.anonymizer.parts import Parts
from deid.core.lazy import lazy
from deid.core.protocols import Embedder
from deid.core.types import Detection, Embeddings


class People:
    """Everybody who has been given a new face; in memory alone, and never written.

    Args:
        embedders: two faces are one person's when all of these agree.
    """

    def __init__(self, embedders: Sequence[Embedder]) -> None:
        self._thresholds = np.array([e.threshold for e in embedders])
        self._people: list[Person] = []

    def find(self, embeddings: tuple[Embeddings, ...], taken: Collection[Person] = ()) -> Person | None:
        """Nearest free person whom all embedders match to this face; None when there is none."""
        free = [person for person in self._people if person not in taken]
        if not free:
            return None
        distances = np.array([_distances(embeddings, person.embeddings) for person in free])
        nearest = int(distances.max(axis=1).argmin())
        return free[nearest] if (distances[nearest] < self._thresholds).all() else None

    def add(self, person: Person) -> None:
        """Add a new person."""
        self._people.append(person)


def _distances(a: tuple[Embeddings, ...], b: tuple[Embeddings, ...]) -> list[float]:
    return [float(np.linalg.norm(x - y)) for x, y in zip(a, b, strict=True)]


class Identities:
    """Gives people from earlier pictures of an engine their new face again.

    Args:
        models: whose options switch this on or off.
    """

    def __init__(self, models: Parts) -> None:
        self._models = models
        #: Held for a whole picture: everyone in it is known before the next picture begins.
        self.lock = threading.RLock()

    @lazy
    def _people(self) -> People:
        return People(self._models.reader.embedders)

    @property
    def kept(self) -> bool:
        """Whether people keep their new face from picture to picture."""
        return self._models.options.consistency == "dataset"

    def recognise(self, face: Face, present: Sequence[Face]) -> None:
        """Give a face the levels of the person it is; who is present already is not taken for another face's person."""
        if face.why or not self._is_wanted(face.detection):
            return
        face.person = self._people.find(face.source.embeddings, [f.person for f in present if f.person])
        if face.person is not None:
            face.levels = levels_after(face.person.level, self._models, self._models.editor)

    def remember(self, faces: Sequence[Face]) -> None:
        """Keep the new faces of people who were not known before."""
        for face in faces:
            made = face.composite
            if made and made.level.pastes_face and face.person is None and self._is_wanted(face.detection):
                sets = None if made.edited.attributes is None else made.edited.attributes[None]
                self._people.add(Person(face.source.embeddings, replace(made.level, n_sets=1, sets=sets)))

    def _is_wanted(self, detection: Detection) -> bool:
        """Whether a face is to be the same person's as before, and is seen well enough for that."""
        return self.kept and detection.label == "face" and self._models.options.method == "attgan" and detection.size >= RECOGNISABLE
