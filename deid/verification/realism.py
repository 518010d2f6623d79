"""How much a crop looks like a photo of a face."""

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Crops
from deid.recognition.crop_reader import CropReader


class RealismScorer(CropReader):
    """Scores how much crops look like photos of faces.

    Args:
        device: where the critic runs.
    """

    def __init__(self, device: str = "cpu") -> None:
        super().__init__("realism", None, device)

    def score(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to scores (N,) in [0, 1]; 1 is a photo."""
        return self.read(crops)
