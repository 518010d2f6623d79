"""How much a crop looks like a photo of a face."""

import numpy as np
from numpy.typing import NDArray

from deid.core.lazy import lazy
from deid.core.types import Crops
from deid.models.inference import Network
from deid.weights.networks import open_network


class RealismScorer:
    """Scores how much crops look like photos of faces.

    Args:
        device: where the network runs.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device

    @lazy
    def network(self) -> Network:
        """The critic, read on first use."""
        return open_network("realism", self._device)

    def preload(self) -> None:
        """Read the critic now."""
        _ = self.network

    def score(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to scores (N,) in [0, 1]; 1 is a photo."""
        if not len(crops):
            return np.zeros(0, np.float32)
        return self.network(crops)[0]
