"""A second recogniser, of another family than dlib's and trained on other photos: it sees what dlib's misses."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.lazy import lazy
from deid.core.types import Crops, Embeddings
from deid.models.inference import Network
from deid.weights.networks import open_network

#: Side of the network's input, which shows the middle 96 px of an aligned crop. It was trained at 224 px; at 160 it is as sure, at 128 it
#: is not.
INPUT, _SHOWN = 160, 96
_TIMES = INPUT / _SHOWN
_CROP_TO_INPUT = np.array([[_TIMES, 0.0, INPUT / 2 - 64 * _TIMES], [0.0, _TIMES, INPUT / 2 - 72 * _TIMES]])


def inputs(crops: Crops) -> NDArray[np.uint8]:
    """Aligned crops (N, 128, 128, 3) as the network takes them, (N, 160, 160, 3)."""
    size = (INPUT, INPUT)
    return np.stack([cv2.warpAffine(c, _CROP_TO_INPUT, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for c in crops])


class MobileNetEmbedder:
    """The 1024-d descriptor of a MobileNet trained on VGGFace2, scaled to unit norm.

    The threshold is the distance under which one of a thousand pairs of strangers lies (LFW View 2, see
    `python -m deid.training.calibrate`).
    """

    name = "mobilenet"
    threshold = 0.876

    def __init__(self, device: str = "cpu", batch_size: int = 16) -> None:
        self._device, self._batch_size = device, batch_size

    @lazy
    def network(self) -> Network:
        """The network, read on first use."""
        return open_network("mobilenet", self._device)

    def preload(self) -> None:
        """Read the network now."""
        _ = self.network

    def embed(self, crops: Crops) -> Embeddings:
        """Aligned crops (N, 128, 128, 3) uint8 RGB to unit-norm rows (N, 1024) float32."""
        if not len(crops):
            return np.zeros((0, 1024), np.float32)
        network, size = self.network, self._batch_size
        found = np.concatenate([network(inputs(crops[start : start + size]))[0] for start in range(0, len(crops), size)])
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)
