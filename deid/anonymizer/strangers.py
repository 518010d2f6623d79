"""Strangers by dlib's recogniser, who tell how near is near: a distance that is small for one pair of faces is usual for others.

As in speaker verification: R. Auckenthaler, M. Carey, H. Lloyd-Thomas, "Score Normalization for Text-Independent Speaker Verification
Systems", 2000.
"""

import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.core.errors import WeightsFormatError
from deid.core.types import Embeddings

#: Strangers differ most by gender, age and origin, and relatives hardly at all by these. So each direction is divided by this power of
#: the strangers' variance in it: 0 leaves the distances as they are, 0.5 makes all directions alike.
_EVEN = 0.2
#: Directions of less variance than this share of the largest one hold noise, and count no more than it.
_LEAST = 1e-3


class Strangers:
    """People who are none of those to be known.

    Args:
        rows: (N, D) embeddings of unit norm.
    """

    def __init__(self, rows: Embeddings) -> None:
        exact = rows.astype(np.float64)
        variances, directions = np.linalg.eigh(np.cov(exact.T))
        self._mean = exact.mean(axis=0)
        self._turn = directions / np.maximum(variances, _LEAST * variances.max()) ** _EVEN
        self._rows = self._evened(rows)

    def nearness(self, faces: Embeddings, people: Embeddings) -> NDArray[np.float64]:
        """How near faces (N, D) are to people (P, D), as (N, P): 0 is the same picture, 1 as near as the nearest stranger.

        It is the distance of both, divided by the mean of their distances to the stranger who is nearest to each.
        """
        rows, others = self._evened(faces), self._evened(people)
        usual = (self._nearest(rows)[:, None] + self._nearest(others)[None]) / 2
        return np.asarray(np.maximum(1 - rows @ others.T, 0.0) / np.maximum(usual, 1e-9))

    def _nearest(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) one minus the cosine to the nearest stranger."""
        return np.asarray(1 - (rows @ self._rows.T).max(axis=1))

    def _evened(self, rows: Embeddings) -> NDArray[np.float64]:
        """Rows of unit norm in which directions count more alike."""
        turned = (rows - self._mean) @ self._turn
        return np.asarray(turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9))


def shipped_strangers() -> Strangers:
    """Strangers by dlib's recogniser, (N, 128).

    Raises:
        WeightsError: the file is missing, altered, or holds something else.
    """
    tensors, _ = weights.read("strangers")
    rows = np.asarray(tensors.get("embeddings", np.zeros(0)), np.float32)
    if rows.ndim != 2 or rows.shape[1] != 128 or len(rows) < rows.shape[1]:
        raise WeightsFormatError(f"expected embeddings (N, 128) of 128 strangers or more, got {rows.shape}")
    return Strangers(rows)
