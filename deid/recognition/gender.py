"""Gender of an aligned face, from dlib's embedding.

The attribute classifier misreads one woman in twelve, and a person who is misread before the edit comes back with the other gender
after it: the two passes move `Male` away from the wrong side. The embedding, which the gate measures anyway, is more reliable.
"""

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Embeddings
from deid.recognition.linear import LinearReader


class GenderReader(LinearReader):
    """Distinguishes men from women."""

    file = "gender"

    def male(self, embeddings: Embeddings) -> NDArray[np.float64]:
        """dlib's embeddings (N, 128) to the probability of a man (N,)."""
        return self.probability(embeddings)
