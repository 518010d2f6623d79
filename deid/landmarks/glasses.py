"""Finds the pixels of glasses in an aligned crop."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES
from deid.core.types import Glasses, Image
from deid.imaging.template import SIZE
from deid.recognition.crop_reader import CropReader

#: The side at which glasses are looked for, and the rows in which they sit: from the forehead to the tip of the nose.
SIDE, BAND = 256, slice(48, 192)
_WORN = ATTRIBUTES.index("Eyeglasses")
#: Under this probability a face wears glasses only if so much of a frame and of lenses is found, in pixels of 128: thin frames are missed
#: by the attribute, and a bridge or a brow may look like a part of one.
_LIKELY, _FRAME, _LENSES = 0.15, 80.0, 400.0


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
            attributes: (13,) probability of each attribute, where they are known: unlikely glasses must be clear to see.
        """
        n = len(crop)
        how = cv2.INTER_AREA if n > SIDE else cv2.INTER_CUBIC
        said = self.network(np.ascontiguousarray(cv2.resize(crop, (SIDE, SIDE), interpolation=how)[None, BAND]))[0][0]
        masks = np.zeros((2, SIDE, SIDE), np.float32)
        masks[:, BAND] = said
        frame, lenses = (np.asarray(cv2.resize(m, (n, n), interpolation=cv2.INTER_LINEAR), np.float32) for m in masks)
        found = Glasses(frame, lenses) if (frame > 0.5).any() else None
        return found if found is None or are_likely(attributes) or _is_clear(found) else None


def are_likely(attributes: NDArray[np.float32] | None) -> bool:
    """Whether a face with these attributes (13,) may well wear glasses; true where nothing is known of it."""
    return attributes is None or float(attributes[_WORN]) >= _LIKELY


def _is_clear(glasses: Glasses) -> bool:
    """Whether enough of a frame and of lenses is there."""
    pixel = (len(glasses.frame) / SIZE) ** 2
    return bool((glasses.frame > 0.5).sum() > _FRAME * pixel and (glasses.lenses > 0.5).sum() > _LENSES * pixel)
