"""Recognisers with a network of `deid.weights.networks`, which shows them aligned crops at another scale and place."""

from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.lazy import lazy
from deid.core.types import Crops, Embeddings
from deid.models.inference import Network
from deid.weights.networks import open_network


def warped(crops: Crops, matrix: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
    """Aligned crops (N, 128, 128, 3) as pictures (N, side, side, 3); ``matrix`` (2, 3) leads from the one's pixels to the other's."""
    size = (side, side)
    return np.stack([cv2.warpAffine(c, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for c in crops])


class WarpedEmbedder:
    """A recogniser whose answers (N, D) are scaled to unit norm.

    Args:
        device: in torch's words.
        batch_size: faces that are embedded together.
    """

    #: Of the recogniser and of its network.
    name: str
    #: The distance under which one of a thousand pairs of strangers lies (LFW View 2, see `python -m deid.training.calibrate`).
    threshold: float
    #: From pixels of an aligned crop to those of the network's input, the input's side, and the length of an answer.
    matrix: ClassVar[NDArray[np.float64]]
    side: ClassVar[int]
    width: ClassVar[int]

    def __init__(self, device: str = "cpu", batch_size: int = 16) -> None:
        self._device, self._batch_size = device, batch_size

    @lazy
    def network(self) -> Network:
        """The network, read on first use: pictures (N, side, side, 3) to answers (N, width) that are not scaled."""
        return open_network(self.name, self._device)

    def preload(self) -> None:
        """Read the network now."""
        _ = self.network

    def embed(self, crops: Crops) -> Embeddings:
        """Aligned crops (N, 128, 128, 3) uint8 RGB to unit-norm rows (N, width) float32."""
        if not len(crops):
            return np.zeros((0, self.width), np.float32)
        network, rows = self.network, []
        for start in range(0, len(crops), self._batch_size):
            rows.append(network(warped(crops[start : start + self._batch_size], self.matrix, self.side))[0])
        found = np.concatenate(rows)
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)
