"""The seams: one method each, so that a user's own detector, editor or embedder fits."""

from typing import Protocol, runtime_checkable

import numpy as np

from deid.core.types import AlignedFace, Crops, Detection, EditedFace, Embeddings, Image


@runtime_checkable
class Detector(Protocol):
    """Finds faces."""

    name: str

    def detect(self, image: Image) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 RGB image, in any order; none is an empty list."""
        ...


@runtime_checkable
class Editor(Protocol):
    """Proposes new faces for an aligned one."""

    name: str

    def edit(self, face: AlignedFace, attributes: np.ndarray, strength: float) -> list[EditedFace]:
        """Proposals for one face.

        Args:
            face: the aligned face.
            attributes: (N, D) float rows, one per proposal wanted: 13 attributes for the first pass, then numbers and shares of the
                portraits that stand in, see `deid.editing.sampler`. An editor without attributes returns one proposal.
            strength: the method's own strength, see `deid.core.options`.
        """
        ...


@runtime_checkable
class CoarseEditor(Protocol):
    """An editor that can be made to see less of a face, and so to keep less of it."""

    def coarse(self, cells: int) -> Editor:
        """The same editor, which sees no more of a face than a mosaic of so many cells across holds."""
        ...


@runtime_checkable
class Preloadable(Protocol):
    """A part that reads its files on first use, or when it is told to."""

    def preload(self) -> None:
        """Read them now."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Says who is in a crop: two crops of one person lie close together.

    Attributes:
        name: what reports call it.
        threshold: L2 distance under which it takes two crops for one person, at a false match rate of 1e-3.
    """

    name: str
    threshold: float

    def embed(self, crops: Crops) -> Embeddings:
        """Aligned crops (N, 128, 128, 3) uint8 RGB to unit-norm rows (N, D) float32."""
        ...


def name_of(part: object) -> str:
    """What to call a part in a message."""
    return str(getattr(part, "name", type(part).__name__))
