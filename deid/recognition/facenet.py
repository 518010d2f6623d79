"""FaceNet: Inception-ResNet v1 trained on VGGFace2, fetched on request by `deid weights fetch facenet`.

F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015.
"""

import threading

import cv2
import numpy as np
import torch

from deid import weights
from deid.core.errors import DependencyError
from deid.core.types import Crops, Embeddings
from deid.weights import modules

#: From pixels of an aligned crop to FaceNet's 160 px input, which shows the face alone: x 20 to 108, y 16 to 104.
_CROP_TO_FACE = np.array([[160 / 88, 0.0, -20 * 160 / 88], [0.0, 160 / 88, -16 * 160 / 88]])


class FaceNetEmbedder:
    """FaceNet's 512-d embedding.

    The threshold is on the safe side of published distances (mates 0.63 to 0.79, strangers about 1.40):
    calibrate it on your own fetched copy with `python -m deid.training.calibrate --embedder facenet`.
    """

    name = "facenet"
    threshold = 1.10

    def __init__(self, device: str = "cpu", batch_size: int = 16) -> None:
        self._device, self._batch_size = device, batch_size
        self._network: torch.nn.Module | None = None
        self._lock = threading.Lock()

    @property
    def network(self) -> torch.nn.Module:
        """The network, read on first use.

        Raises:
            WeightsMissingError: it has not been fetched.
            DependencyError: facenet-pytorch is not installed.
        """
        with self._lock:
            if self._network is None:
                tensors, item = weights.read("facenet")
                try:
                    from facenet_pytorch import InceptionResnetV1
                except ImportError as error:
                    raise DependencyError("expected facenet-pytorch: pip install 'deid-face[facenet]'") from error
                network = InceptionResnetV1(pretrained=None, classify=False)
                # The file holds the training's classification layer too.
                modules.fill(network, {k: v for k, v in tensors.items() if not k.startswith("logits.")}, item)
                self._network = network.to(self._device)
            return self._network

    @torch.inference_mode()
    def embed(self, crops: Crops) -> Embeddings:
        if not len(crops):
            return np.zeros((0, 512), np.float32)
        network, rows = self.network, []
        for start in range(0, len(crops), self._batch_size):
            part = crops[start : start + self._batch_size]
            faces = np.stack(
                [cv2.warpAffine(c, _CROP_TO_FACE, (160, 160), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for c in part]
            )
            batch = torch.from_numpy(faces).to(self._device).permute(0, 3, 1, 2).float()
            rows.append(network((batch - 127.5) / 128.0).cpu())
        return np.asarray(torch.nn.functional.normalize(torch.cat(rows)).numpy(), np.float32)
