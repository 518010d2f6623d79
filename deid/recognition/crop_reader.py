"""Shipped networks that read something from aligned crops."""

import numpy as np
from numpy.typing import NDArray

from deid.core.lazy import lazy
from deid.core.types import Crops
from deid.models.inference import Network
from deid.weights.networks import open_network


class CropReader:
    """A network that gives numbers for each aligned crop.

    Args:
        name: of the network, see `open_network`.
        n_values: numbers for each crop; None for one without an axis of its own.
        device: where the network runs.
    """

    def __init__(self, name: str, n_values: int | None, device: str) -> None:
        self._name, self._device = name, device
        self._shape = () if n_values is None else (n_values,)

    @lazy
    def network(self) -> Network:
        """The network, read on first use."""
        return open_network(self._name, self._device)

    def preload(self) -> None:
        """Read the network now."""
        _ = self.network

    def read(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to the numbers of each, (N,) or (N, n_values)."""
        if not len(crops):
            return np.zeros((0, *self._shape), np.float32)
        return self.network(crops)[0]
