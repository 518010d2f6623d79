"""The template of an aligned crop: its side, where the five landmarks lie in it, and masks of its parts."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 128
#: Largest crop, as a multiple of the small one: a face with its surroundings over 512 px is edited at 512.
MOST_TIMES = 4
#: Where the five landmarks lie in the crop: the eyes 36 px apart about (64, 56); nose and mouth at the mean of LFW.
TEMPLATE = np.array([[46.0, 56.0], [82.0, 56.0], [64.0, 77.0], [49.0, 96.5], [79.0, 96.5]])
#: Landmarks of a mean face in its detection box, as shares of the box: for boxes that come without landmarks.
BOX_LANDMARKS = np.array([[0.31, 0.40], [0.69, 0.40], [0.50, 0.60], [0.35, 0.79], [0.66, 0.79]])

#: The landmarks of each brow, from left to right; how far one reaches above and below them, in pixels of 128.
BROWS, _BROW = (slice(17, 22), slice(22, 27)), 2.5


def filled(border: NDArray[np.float64]) -> NDArray[np.float32]:
    """(128, 128) in [0, 1]: 1 inside a closed border (K, 2), which may run between pixels."""
    mask = np.zeros((SIZE, SIZE), np.float32)
    # Only the part that it may fill is drawn four times as large.
    low, high = (np.clip(at, 0, SIZE) for at in (np.floor(border.min(axis=0)).astype(int) - 1, np.ceil(border.max(axis=0)).astype(int) + 2))
    if (low < high).all():
        fine: NDArray[Any] = np.zeros(4 * (high - low)[::-1], np.float32)
        cv2.fillPoly(fine, [np.round(4 * border + 1.5).astype(np.int32) - 4 * low.astype(np.int32)], 1.0)
        mask[low[1] : high[1], low[0] : high[0]] = cv2.resize(fine, tuple(high - low), interpolation=cv2.INTER_AREA)
    return mask


def around_brow(brow: NDArray[np.float64], reach: float = _BROW) -> NDArray[np.float32]:
    """(128, 128): 1 on a brow (K, 2), and so many pixels above and below it."""
    margin = np.array([0.0, reach])
    return filled(np.concatenate([brow - margin, brow[::-1] + margin]))


def disc(radius: float) -> NDArray[np.uint8]:
    """A round kernel for morphology, of one pixel's radius at least."""
    side = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
