"""Gender of an aligned face, by dlib's embedding of it.

The attribute classifier misreads one woman in twelve, and whoever is misread before the edit comes back with the other gender
after it: the two passes move `Male` away from the wrong side. The embedding, which the gate measures anyway, knows better.
"""

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.structures import Embeddings

_SHAPES = {"weight": (128,), "bias": (1,)}


class GenderReader:
    """Logistic regression on dlib's embedding.

    Args:
        arrays: `weight` (128,) and `bias` (1,); the shipped ones are read on first use when None.
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        self._arrays = arrays
        self._lock = threading.Lock()

    @property
    def arrays(self) -> Mapping[str, NDArray[np.float32]]:
        """Weight and bias.

        Raises:
            WeightsError: the file is missing, altered, or holds something else.
        """
        with self._lock:
            if self._arrays is None:
                self._arrays = weights.read_arrays("gender", _SHAPES)
            return self._arrays

    def male(self, embeddings: Embeddings) -> NDArray[np.float64]:
        """dlib's embeddings (N, 128) to the probability of a man (N,)."""
        logits = np.asarray(embeddings, np.float64) @ self.arrays["weight"] + self.arrays["bias"]
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits))
