"""Finds the pixels of glasses in an aligned crop."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES
from deid.core.types import Glasses, Image
from deid.recognition.crop_reader import CropReader

#: The side at which glasses are looked for, and the rows in which they sit: from the forehead to the tip of the nose.
SIDE, BAND = 256, slice(48, 192)
_WORN = ATTRIBUTES.index("Eyeglasses")
#: Glasses are looked for from this probability on: at 0.5 thin frames are missed.
_LIKELY = 0.15


class GlassesReader(CropReader):
    """Finds frames and lenses.

    Args:
        device: where the network runs.
    """

    def __init__(self, device: str = "cpu") -> None:
        super().__init__("glasses", None, device)

    def find(self, crop: Image, attributes: NDArray[np.float32] | None = None) -> Glasses | None:
        """The glasses of a face; None where it wears none.

        Args:
            crop: (n, n, 3) uint8 RGB, aligned.
            attributes: (13,) probability of each attribute, where they are known: without a likelihood of glasses none are looked for.
        """
        if attributes is not None and float(attributes[_WORN]) < _LIKELY:
            return None
        n = len(crop)
        how = cv2.INTER_AREA if n > SIDE else cv2.INTER_CUBIC
        said = self.network(np.ascontiguousarray(cv2.resize(crop, (SIDE, SIDE), interpolation=how)[None, BAND]))[0][0]
        masks = np.zeros((2, SIDE, SIDE), np.float32)
        masks[:, BAND] = said
        frame, lenses = (np.asarray(cv2.resize(m, (n, n), interpolation=cv2.INTER_LINEAR), np.float32) for m in masks)
        return Glasses(frame, lenses) if (frame > 0.5).any() else None
