"""ArcFace-style recognisers of the user, as ONNX.

J. Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.errors import ConfigError
from deid.core.types import Crops, Embeddings, Image
from deid.detection.onnx_session import open_session
from deid.imaging.geometry import fit_similarity
from deid.imaging.template import TEMPLATE

#: Where ArcFace's 112 px input wants the five landmarks (insightface, `arcface_dst`).
_ARCFACE_POINTS = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
_INPUT = 112


class ArcFaceRecogniser:
    """Any ArcFace-style network as ONNX: 112x112 RGB, (x - 127.5) / 128, one embedding out.

    Args:
        path: the file.
        threshold: L2 distance of FMR 1e-3; it stands in where a run has too few strangers to set its own. The default is
            what a MobileFaceNet measures on 600 LFW photos of 300 people.

    Raises:
        ConfigError: there is no such file, or it is no such network.
        DependencyError: onnxruntime is not installed.
    """

    def __init__(self, path: Path, threshold: float = 1.14) -> None:
        self.name, self.threshold, self.path = path.stem, threshold, path
        self._session = open_session(path, threads=1)
        shapes = [i.shape for i in self._session.get_inputs()]
        if len(shapes) != 1 or shapes[0][1:] != [3, _INPUT, _INPUT]:
            raise ConfigError(f"expected {path.name} to take one face of 3 x {_INPUT} x {_INPUT}, it takes {shapes}")
        self._matrix = fit_similarity(TEMPLATE, _ARCFACE_POINTS)

    def embed(self, crops: Crops) -> Embeddings:
        """Aligned crops (N, 128, 128, 3) uint8 RGB to unit-norm rows (N, D) float32."""
        rows = [self._one(crop) for crop in crops]
        found = np.concatenate(rows) if rows else np.zeros((0, 128), np.float32)
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)

    def blob(self, crop: Image) -> NDArray[np.float32]:
        """An aligned crop (128, 128, 3) as the network's input (1, 3, 112, 112)."""
        face = cv2.warpAffine(crop, self._matrix, (_INPUT, _INPUT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return to_blob(np.asarray(face, np.uint8))

    def _one(self, crop: Image) -> Embeddings:
        answer = self._session.run(None, {self._session.get_inputs()[0].name: self.blob(crop)})[0]
        return np.asarray(answer, np.float32).reshape(1, -1)


def to_blob(image: Image) -> NDArray[np.float32]:
    """An (H, W, 3) image as ArcFace-style networks take it: (1, 3, H, W)."""
    return ((image.astype(np.float32) - 127.5) / 128.0).transpose(2, 0, 1)[None]
