"""Child or adult, for an aligned face: children get children's portraits."""

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Embeddings
from deid.recognition.linear import LinearReader


class AgeReader(LinearReader):
    """Tells children from adults."""

    file = "age"

    def child(self, embeddings: Embeddings) -> NDArray[np.float64]:
        """dlib's embeddings (N, 128) to the probability of a child of (N,), of about 12 years at most."""
        return self.probability(embeddings)
