"""A face as it was measured before it is edited."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Detection, Embeddings


@dataclass(frozen=True, slots=True, eq=False)
class SourceFace:
    """Measurements of the original face.

    Args:
        detection: where it is.
        embeddings: (1, D) rows, one per embedder.
        attributes: (13,) probability of each attribute; None with a filter, which needs none.
        male: probability of a man.
        realism: the critic's score of it, in [0, 1]: a small or compressed face scores low, and a new one in its place cannot do better.
    """

    detection: Detection
    embeddings: tuple[Embeddings, ...]
    attributes: NDArray[np.float32] | None
    male: float
    realism: float = 1.0
