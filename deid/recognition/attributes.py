"""Attributes of an aligned face."""

import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES
from deid.core.lazy import lazy
from deid.core.types import Crops
from deid.models.inference import Network
from deid.weights.networks import open_network

MALE = ATTRIBUTES.index("Male")


class AttributeReader:
    """The 13 attributes of aligned crops.

    Args:
        device: where the network runs.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device

    @lazy
    def network(self) -> Network:
        """The classifier, read on first use."""
        return open_network("attributes", self._device)

    def preload(self) -> None:
        """Read the classifier now."""
        _ = self.network

    def probabilities(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to the probability of each attribute (N, 13), in the order of `ATTRIBUTES`."""
        if not len(crops):
            return np.zeros((0, len(ATTRIBUTES)), np.float32)
        return self.network(crops)[0]
