"""A face on its way through the fallback levels."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.request import Level, Request
from deid.compositing.proposal import Patch, Shown
from deid.core.types import Detection, EditedFace, Image, Verification
from deid.editing.looks import Looks
from deid.imaging.alignment import align_matrix, landmarks_of, warp
from deid.recognition.source_face import SourceFace

#: Faces of fewer pixels are taken for nobody: blurred ones all look alike to a recogniser.
RECOGNISABLE = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """Current content of a face's place in the photo.

    Args:
        crop: (128, 128, 3) the aligned crop of it.
        edited: as the editor gave it.
        check: the gate's verdict on it.
        level: how it was made.
        patch: what was made of the photo.
        mask: see `Shown`.
    """

    crop: Image
    edited: EditedFace
    check: Verification
    level: Level
    patch: Patch
    mask: Callable[[], NDArray[np.float32]] | None


@dataclass(slots=True, eq=False)
class Person:
    """A person with a new face.

    Args:
        embeddings: (1, D) rows, one per embedder, of the face before.
        level: how the new face was made, with its attribute set.
    """

    embeddings: tuple[NDArray[np.float32], ...]
    level: Level


@dataclass(slots=True, eq=False)
class Face:
    """One face of a photo: it goes from level to level until the gate lets it pass, and never back.

    Args:
        request: where it is, and how it is to be edited.
        source: what was measured of it.
        seed: what its stand-ins and attribute sets are drawn from.
        levels: those that are left.
        why: why each attempt so far failed.
        looks: what a portrait must have in common with it; None where none is needed.
        stand_ins: rows of the portraits that are reserved for it.
        used: which of them were tried.
        person: who it is, where the person was seen before.
        n_levels_tried: levels tried; the candidates of each are drawn from its number and the seed.
        composite: what is in its place now.
        matrix: (2, 3) similarity from the photo to the aligned crop.
    """

    request: Request
    source: SourceFace
    seed: int
    levels: Iterator[Level]
    why: list[str] = field(default_factory=list)
    looks: Looks | None = None
    stand_ins: list[NDArray[np.float32]] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    person: Person | None = None
    n_levels_tried: int = 0
    composite: Composite | None = None
    matrix: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.matrix = align_matrix(landmarks_of(self.detection))

    @property
    def detection(self) -> Detection:
        return self.source.detection

    @property
    def is_replaced(self) -> bool:
        """Whether it gets a new face, and was measured for it; otherwise it is covered at once."""
        if self.request.levels is not None:
            return self.request.levels[0].pastes_face
        return not self.why and self.detection.label == "face" and self.source.attributes is not None

    def note_composite(self, level: Level, check: Verification, shown: Shown) -> None:
        """Note what is in its place now."""
        self.composite = Composite(warp(shown.image, self.matrix), shown.edited, check, level, shown.patch, shown.mask)

    def patch_beneath(self, others: Iterable["Face"]) -> Patch:
        """What is to be laid over the photo. A cover lies beneath other people's new faces, where nothing of anybody's own is left."""
        assert self.composite is not None
        patch = self.composite.patch
        return patch if self.composite.level.pastes_face else beneath_new_faces(patch, (other for other in others if other is not self))


def beneath_new_faces(cover: Patch, faces: Iterable[Face]) -> Patch:
    """What of a cover is to be laid over a photo with these faces: all but what lies beneath new ones."""
    for face in faces:
        above = face.composite
        if above is not None and above.mask is not None and above.patch.meets(cover):
            cover = cover.beneath(above.mask(), face.matrix)
    return cover
