"""Data of an attacker, and the form of an attack."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError
from deid.core.types import Crops, Embeddings
from evaluation.faces import Face
from evaluation.masks import blanked

#: From embeddings to embeddings that suit the attack better.
Head: TypeAlias = Callable[[Embeddings], Embeddings]
#: Learns a head from embeddings (N, D) of faces after the method and before it.
HeadTrainer: TypeAlias = Callable[[Embeddings, Embeddings], Head]
_LEAST_PEOPLE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces as arrays of one length: before, after, and the surroundings of both.

    Args:
        identities: (N,) names.
        before: (N, 128, 128, 3) uint8 RGB.
        after: (N, 128, 128, 3).
        covered: (N, 128, 128, 3) untouched with the face in black.
        blank: (N, 128, 128, 3) untouched with one colour inside the mask of the face.
        context_before: (N, 128, 128, 3).
        context_after: (N, 128, 128, 3).
    """

    identities: NDArray[np.str_]
    before: Crops
    after: Crops
    covered: Crops
    blank: Crops
    context_before: Crops
    context_after: Crops


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A method under attack.

    Args:
        train: people of whom the attacker has photos before and after the method.
        test: other people; each has at least two photos.
        seed: of everything that is drawn.
        steps: of training the reconstruction network.
        tick: called after each of these steps.
    """

    train: Faces
    test: Faces
    seed: int = 0
    steps: int = 400
    tick: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Probes and gallery of an attack.

    Args:
        gallery: (N, 128, 128, 3) the test faces as the gallery shows them.
        probes: (N, 128, 128, 3) the test faces as the probes show them.
        train: (M, 128, 128, 3) the training faces that a head is learned on; None without a head.
    """

    gallery: Crops
    probes: Crops
    train: Crops | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Attack:
    """A search, and the same without any de-identification, with every face in black, and with every face blank.

    Args:
        name: of the attack.
        search: with the method's output.
        control: with untouched photos: what the attacker can do at best.
        floor: with faces in black: what hair and background give away; None where the search is of those alone.
        blank: with one colour inside the mask of the face: what hair, ears, jaw line and neck give away too, which is as far as an
            edit of the face can come; None likewise.
        head: learns a head on the training faces.
        judged: whether the method is to blame for what the attack finds.
        note: note for the reader.
    """

    name: str
    search: Search
    control: Search
    floor: Search | None = None
    blank: Search | None = None
    head: HeadTrainer | None = None
    judged: bool = True
    note: str = ""


def split_people(faces: Sequence[Face], seed: int) -> tuple[Faces, Faces]:
    """Main faces of two disjoint sets of people: to train on, and to test on.

    Half of the people with two or more photos are tested; all others are trained on.

    Raises:
        DataError: too few people have two photos.
    """
    mains = [f for f in faces if f.main]
    names = np.array([f.identity for f in mains])
    people, counts = np.unique(names, return_counts=True)
    able = people[counts >= 2]
    if len(able) < _LEAST_PEOPLE:
        raise DataError(f"expected at least {_LEAST_PEOPLE} people with two photos, got {len(able)}: put a person's photos into one folder")
    tested = np.random.default_rng(seed).permutation(able)[: len(able) // 2]
    mask = np.isin(names, tested)
    return _arrays([f for f, t in zip(mains, mask, strict=True) if not t]), _arrays([f for f, t in zip(mains, mask, strict=True) if t])


def _arrays(faces: Sequence[Face]) -> Faces:
    def stack(name: str) -> Crops:
        return np.stack([getattr(f, name) for f in faces])

    names = np.array([f.identity for f in faces])
    before = stack("crop_before")
    blank = np.stack([blanked(crop) for crop in before])
    return Faces(names, before, stack("crop_after"), stack("crop_covered"), blank, stack("context_before"), stack("context_after"))
