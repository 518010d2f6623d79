"""Attributes of an aligned face."""

import threading

import numpy as np
import torch
from numpy.typing import NDArray

from deid import weights
from deid.core.types import Crops
from deid.models.attgan import ATTRIBUTES
from deid.models.attributes import AttributeClassifier
from deid.models.packed import packed

MALE = ATTRIBUTES.index("Male")


class AttributeReader:
    """The 13 attributes of aligned crops.

    Args:
        device: where the network runs.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._network: AttributeClassifier | None = None
        self._lock = threading.Lock()

    @property
    def network(self) -> AttributeClassifier:
        """The classifier, read on first use."""
        with self._lock:
            if self._network is None:
                self._network = packed(weights.load_attributes().to(self._device))
            return self._network

    @torch.inference_mode()
    def probabilities(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to the probability of each attribute (N, 13), in the order of `ATTRIBUTES`."""
        if not len(crops):
            return np.zeros((0, len(ATTRIBUTES)), np.float32)
        images = torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return np.asarray(self.network(images).sigmoid().cpu().numpy(), np.float32)
