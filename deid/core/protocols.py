"""Protocols of one method each, for detectors, editors and embedders of users."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from deid.core.types import AlignedFace, Crops, Detection, EditedFace, Embeddings, Glasses, Image, StandIn


@runtime_checkable
class Detector(Protocol):
    """Detects faces.

    Attributes:
        name: what reports call it.
    """

    name: str

    def detect(self, image: Image) -> list[Detection]:
        """Detect all faces of an image.

        Args:
            image: (H, W, 3) uint8 RGB; must not be changed.

        Returns:
            Detections in any order; an empty list when there is no face.
        """
        ...


class Refiner(Protocol):
    """Detects faces again near boxes where they are expected."""

    def refine(self, image: Image, boxes: Sequence[NDArray[np.float64]]) -> list[Detection | None]:
        """For each box (4,) the face near it in an image (H, W, 3), or None."""
        ...


@runtime_checkable
class Editor(Protocol):
    """Proposes new faces for an aligned one.

    Attributes:
        name: what reports call it.
    """

    name: str

    def edit(self, face: AlignedFace, attributes: np.ndarray, strength: float) -> list[EditedFace]:
        """Propose new faces for one face.

        Args:
            face: the aligned face.
            attributes: (N, D) float rows, one per proposal wanted: 13 attributes for the first pass, then numbers and shares of the
                portraits that stand in, see `deid.editing.sampler`. An editor without attributes returns one proposal.
            strength: the method's own strength, see `deid.core.options`.

        Returns:
            Proposals of the crop's shape, (128, 128, 3) uint8 RGB; at least one.
        """
        ...


@runtime_checkable
class CoarseEditor(Protocol):
    """An editor that can work from a coarser view of a face, and so keep less of it."""

    def coarse(self, cells: int) -> Editor:
        """The same editor with a view of the face as coarse as a mosaic of this many cells across."""
        ...


@runtime_checkable
class SketchingEditor(Protocol):
    """An editor that shows in small what a new face will look like before it makes it."""

    def sketch(self, face: AlignedFace, attributes: NDArray[np.float32]) -> StandIn:
        """A stand-in (128, 128, 3) for one face, by a row (D,) of what `Editor.edit` takes."""
        ...


@runtime_checkable
class Preloadable(Protocol):
    """A part that reads its files on first use, or on request."""

    def preload(self) -> None:
        """Read them now."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Embeds crops: two crops of one person lie close together.

    Attributes:
        name: what reports call it.
        threshold: L2 distance below which two crops count as one person, at a false match rate of 1e-3.
    """

    name: str
    threshold: float

    def embed(self, crops: Crops) -> Embeddings:
        """Embed aligned crops.

        Args:
            crops: (N, 128, 128, 3) uint8 RGB; N may be 0.

        Returns:
            (N, D) float32 rows of unit norm.
        """
        ...


class ReadsAttributes(Protocol):
    """Reads the 13 attributes of crops."""

    def probabilities(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to the probability of each attribute (N, 13)."""
        ...


class ReadsGender(Protocol):
    """Reads gender from embeddings.

    Attributes:
        embedder: name of the recogniser whose embeddings it reads.
    """

    @property
    def embedder(self) -> str: ...

    def male(self, embeddings: Embeddings) -> NDArray[np.float64]:
        """Embeddings (N, D) to the probability of a man (N,)."""
        ...


class ReadsPortraits(Protocol):
    """Reads what portraits are chosen by."""

    def preload(self) -> None:
        """Read the weights now."""
        ...

    def years(self, embeddings: Embeddings, second: Embeddings | None = None) -> NDArray[np.float64]:
        """Embeddings (N, D), and those of a second recogniser (N, E) where known, to ages (N,) in years."""
        ...

    def origins(self, embeddings: Embeddings, second: Embeddings | None = None) -> NDArray[np.float64]:
        """Embeddings (N, D), and those of a second recogniser (N, E) where known, to the probability of each of K origins (N, K)."""
        ...

    def smile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Landmarks (N, 68, 2) of aligned crops to the probability of a smile (N,)."""
        ...

    def snapshot(self, second: Embeddings) -> NDArray[np.float64]:
        """A second recogniser's embeddings (N, E) to logits (N,), positive for what looks like an untouched photo."""
        ...


class FindsGlasses(Protocol):
    """Finds the glasses of a face."""

    def find(self, crop: Image, attributes: NDArray[np.float32] | None = None) -> Glasses | None:
        """The glasses in an aligned crop (n, n, 3), None for none; with attributes (13,) they are looked for where they are likely."""
        ...


class FindsObjects(Protocol):
    """Finds what stands before a face."""

    def find(self, crop: Image, points: NDArray[np.float64]) -> NDArray[np.float32] | None:
        """(n, n) in [0, 1]: what covers the face of an aligned crop (n, n, 3) with landmarks (68, 2); None for nothing."""
        ...


class ScoresRealism(Protocol):
    """Scores how much crops look like photos of faces."""

    def score(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to scores (N,) in [0, 1]."""
        ...


def name_of(part: object) -> str:
    """Name of a part in messages."""
    return str(getattr(part, "name", type(part).__name__))
