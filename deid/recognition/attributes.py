"""Attributes of an aligned face."""

import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES
from deid.core.types import Crops
from deid.recognition.crop_reader import CropReader


class AttributeReader(CropReader):
    """The 13 attributes of aligned crops.

    Args:
        device: where the network runs.
    """

    def __init__(self, device: str = "cpu") -> None:
        super().__init__("attributes", len(ATTRIBUTES), device)

    def probabilities(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to the probability of each attribute (N, 13), in the order of `ATTRIBUTES`."""
        return self.read(crops)
