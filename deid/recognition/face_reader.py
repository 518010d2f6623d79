"""All that is read of a face: who it is, its attributes and gender, and how much it looks like a photo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import MALE
from deid.core.protocols import Embedder, Preloadable, ReadsAttributes, ReadsGender, ScoresRealism
from deid.core.types import Crops, Detection, Embeddings, Image
from deid.imaging.alignment import align, with_own_landmarks
from deid.recognition.source_face import SourceFace


@dataclass(frozen=True)
class FaceReader:
    """Measures faces before and after the edit.

    Args:
        embedders: at least one.
        attributes: classifier of attributes, and the second classifier of gender.
        realism: scores crops.
        gender: classifier of gender on dlib's embedding; without dlib among the embedders, the attributes are used.
        for_new_faces: whether faces are replaced; filters need neither attributes nor realism.
    """

    embedders: Sequence[Embedder]
    attributes: ReadsAttributes
    realism: ScoresRealism
    gender: ReadsGender
    for_new_faces: bool = True

    def preload(self) -> None:
        """Read the networks now.

        Raises:
            WeightsError: a file is missing, altered, or holds something else.
            DependencyError: a package is missing.
        """
        readers = (self.attributes, self.realism) if self.for_new_faces else ()
        for part in (*self.embedders, *readers, self.gender):
            if isinstance(part, Preloadable):
                part.preload()

    def source(self, image: Image, detection: Detection, known: SourceFace | None = None) -> SourceFace:
        """A face of a photo before it is edited.

        Args:
            image: (H, W, 3) uint8 RGB, the photo as it was.
            detection: where the face is.
            known: what was measured of it in an earlier frame of a video; only its place is new then.
        """
        detection = with_own_landmarks(detection)
        return self.source_of(align(image, detection).crop, detection) if known is None else replace(known, detection=detection)

    def source_of(self, crop: Image, detection: Detection) -> SourceFace:
        """A face before it is edited, from its aligned crop (128, 128, 3)."""
        rows = self.embed(crop[None])
        if not self.for_new_faces and self._reads_gender:
            return SourceFace(detection, rows, None, float(self._male(None, rows)[0]))
        attributes, male, realism = self.read(crop[None], rows)
        return SourceFace(detection, rows, attributes[0], float(male[0]), float(realism[0]))

    def embed(self, crops: Crops) -> tuple[Embeddings, ...]:
        """Crops (N, 128, 128, 3) to rows (N, D), for each embedder."""
        return tuple(embedder.embed(crops) for embedder in self.embedders)

    def read(self, crops: Crops, embeddings: Sequence[Embeddings]) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]:
        """Attributes (N, 13), probability of a man (N,) and realism (N,), all in [0, 1], of N crops with their embeddings."""
        attributes = self.attributes.probabilities(crops)
        return attributes, self._male(attributes, embeddings), self.realism.score(crops)

    @property
    def _reads_gender(self) -> bool:
        """Whether one of the embedders is the one that gender is read from."""
        return any(embedder.name == self.gender.embedder for embedder in self.embedders)

    def _male(self, attributes: NDArray[np.float32] | None, embeddings: Sequence[Embeddings]) -> NDArray[np.float64]:
        """Probability of a man (N,), by the best that is known of N faces."""
        for embedder, rows in zip(self.embedders, embeddings, strict=True):
            if embedder.name == self.gender.embedder:
                return self.gender.male(rows)
        if attributes is None:
            raise ValueError("expected attributes or an embedding that gender is read from, got neither")
        return np.asarray(attributes[:, MALE], np.float64)
