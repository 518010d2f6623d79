"""Age of an aligned face, by dlib's embedding: people get portraits of their age."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Embeddings
from deid.recognition.linear import LinearReader


class AgeReader(LinearReader):
    """Distinguishes children from adults, and estimates ages."""

    file = "age"
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {**LinearReader.shapes, "years.weight": (128,), "years.bias": (1,)}

    def child(self, embeddings: Embeddings) -> NDArray[np.float64]:
        """dlib's embeddings (N, 128) to the probability of a child of (N,), of about 12 years at most."""
        return self.probability(embeddings)

    def years(self, embeddings: Embeddings) -> NDArray[np.float64]:
        """dlib's embeddings (N, 128) to ages (N,) in years, by ridge regression."""
        return np.asarray(np.asarray(embeddings, np.float64) @ self.arrays["years.weight"] + self.arrays["years.bias"])
