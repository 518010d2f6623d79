"""Finds the pixels of glasses in an aligned crop."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES
from deid.core.types import Glasses, Image
from deid.imaging.template import SIZE, disc
from deid.recognition.crop_reader import CropReader

#: The side at which glasses are looked for, and the rows in which they sit: from the forehead to the tip of the nose.
SIDE, BAND = 256, slice(48, 192)
_WORN = ATTRIBUTES.index("Eyeglasses")
#: Under this probability a face wears glasses only if so much of a frame and of lenses is found, in pixels of 128: thin frames are missed
#: by the attribute, and a bridge or a brow may look like a part of one.
_LIKELY, _FRAME, _LENSES = 0.15, 80.0, 400.0
#: Glasses are whole where each lens has this many pixels (of 128), and along this share of its border a frame is found within so many:
#: thin rims are found in parts, and half rims have no more.
_LENS, _RIMMED, _NEAR = 60.0, 0.35, 3.0


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


def are_whole(glasses: Glasses, points: NDArray[np.float64]) -> bool:
    """Whether glasses before a face with landmarks (68, 2) were found so far that a new face can wear them.

    Each eye has a lens before it, or what was found is the brim of a cap, and along its border runs a frame: of glasses without rims some
    parts would hang in the air.
    """
    k, middle = len(glasses.frame) / SIZE, len(glasses.frame) // 2
    lenses = (glasses.lenses > 0.5).astype(np.uint8)
    by_frame, by_lens = (np.asarray(cv2.dilate((m > 0.5).astype(np.uint8), disc(_NEAR * k))) > 0 for m in (glasses.frame, glasses.lenses))
    # An aligned crop has an eye on either side; where the bridge is thin both lenses are one part.
    return all(
        _is_rimmed(lenses[:, side], by_frame[:, side], _LENS * k * k) and _is_at(points[eye].mean(axis=0) * k, by_lens)
        for side, eye in ((slice(middle), slice(36, 42)), (slice(middle, None), slice(42, 48)))
    )


def _is_rimmed(lens: NDArray[np.uint8], near: NDArray[np.bool_], least: float) -> bool:
    """Whether a lens (h, w) has ``least`` pixels and enough of its border lies near a frame (h, w)."""
    border = (lens > 0) & (cv2.erode(lens, disc(1.0), borderType=cv2.BORDER_REPLICATE) == 0)
    return bool(lens.sum() >= least and near[border].mean() >= _RIMMED)


def _is_at(place: NDArray[np.float64], mask: NDArray[np.bool_]) -> bool:
    """Whether a mask (n, n) has a place (x, y)."""
    x, y = np.clip(np.round(place).astype(int), 0, len(mask) - 1)
    return bool(mask[y, x])
