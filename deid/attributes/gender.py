"""Gender of an aligned face, by two networks that learned it apart.

The attribute classifier alone misreads one woman in seven, and whoever is misread before the edit comes back with the other
gender after it: the two passes move `Male` away from the wrong side. dlib's embedding, which the gate measures anyway, tells
men from women too, and is wrong about other people.
"""

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.attributes.classify import MALE
from deid.exceptions import WeightsFormatError
from deid.structures import Embeddings

#: The classifier is never surer than this: its logits have no end.
_SUREST = 1e-4


def logits(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log odds of probabilities, bounded."""
    bounded = np.clip(np.asarray(probabilities, np.float64), _SUREST, 1 - _SUREST)
    return np.asarray(np.log(bounded) - np.log1p(-bounded))


class GenderReader:
    """Logistic regression on dlib's embedding and the classifier's log odds.

    Args:
        arrays: `weight` (129,), the embedding's first, and `bias` (1,); the shipped ones are read on first use when None.
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
                tensors, item = weights.read("gender")
                if {name: tuple(t.shape) for name, t in tensors.items()} != {"weight": (129,), "bias": (1,)}:
                    raise WeightsFormatError(f"expected a weight (129,) and a bias (1,) in {item.file}; run `deid weights verify`")
                self._arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
            return self._arrays

    def male(self, attributes: NDArray[np.float32], embeddings: Embeddings) -> NDArray[np.float64]:
        """The classifier's probabilities (N, 13) and dlib's rows (N, 128) of the same crops to the probability of `Male` (N,)."""
        rows = np.column_stack([np.asarray(embeddings, np.float64), logits(attributes[:, MALE])])
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * (rows @ self.arrays["weight"] + self.arrays["bias"])))
