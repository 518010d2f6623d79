"""The colour of a face's skin, as its cheeks show it."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: A colour is skin's within this many spreads of the cheeks' (Lab, medians; light counts less than hue), which are at least this wide.
_SKIN, _LEAST_SPREAD = 3.5, (12.0, 4.0, 4.0)
#: A colour is nearly the cheeks' if it is less than this darker, brighter, and off in hue (Lab, 0 to 255): a highlight is skin.
_DARKER, _BRIGHTER, _OFF = 30.0, 70.0, 22.0
#: Hair is compared with skin of so much light at least (Lab, 0 to 100), and without what is finer than this, in pixels of 128: portraits
#: are sharper than most photos.
_LEAST_LIGHT, _SOFT = 5.0, 0.7


def _cheeks(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(128, 128): the skin under the eyes."""
    outline = np.concatenate([points[[2, 3, 13, 14, 28, 31, 35]], points[[40, 41, 46, 47]] + (0, 3)])
    inside: NDArray[Any] = np.zeros((128, 128), np.uint8)
    cv2.fillConvexPoly(inside, np.round(cv2.convexHull(outline.astype(np.float32))).astype(np.int32), 1)
    return inside > 0


def cheeks(crop: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) median Lab colour (OpenCV's 8-bit scale) of the skin under the eyes in an aligned crop; mid grey where it is not visible."""
    inside = _cheeks(points)
    if not inside.any():
        return np.full(3, 128.0)
    return np.asarray(np.median(cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)[inside], axis=0), np.float64)


def skin(points: NDArray[np.float64], crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(128, 128) in [0, 1]: how much a colour is that of the skin under the eyes; 1 everywhere where that is not in the crop."""
    inside = _cheeks(points)
    if not inside.any():
        return np.ones((128, 128), np.float32)
    lab = cv2.cvtColor(cv2.GaussianBlur(crop, (0, 0), 1.0), cv2.COLOR_RGB2LAB).astype(np.float32)
    found = lab[inside]
    middle = np.median(found, axis=0)
    spread = np.maximum(1.48 * np.median(np.abs(found - middle), axis=0), _LEAST_SPREAD) * (1.5, 1.0, 1.0)
    off: NDArray[Any] = (lab - middle.astype(np.float32)) / spread.astype(np.float32)
    # Not all or nothing: in a video, what lies between would flicker.
    off *= off
    away = np.sqrt(cv2.transform(off, np.ones((1, 3), np.float32)))
    return np.asarray(np.clip(np.float32(_SKIN + 0.5) - away, 0, 1), np.float32)


def nearly_skin(points: NDArray[np.float64], crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(128, 128): 1 where a colour is nearly that of the skin under the eyes, however much that varies; everywhere where it is not in the
    crop."""
    inside = _cheeks(points)
    if not inside.any():
        return np.ones((128, 128), np.float32)
    lab = cv2.cvtColor(cv2.GaussianBlur(crop, (0, 0), 0.7), cv2.COLOR_RGB2LAB).astype(np.float32)
    light, *hue = np.moveaxis(lab - np.median(lab[inside], axis=0), 2, 0)
    off = np.where(light < 0, light / _DARKER, light / _BRIGHTER) ** 2 + (hue[0] ** 2 + hue[1] ** 2) / _OFF**2
    return np.asarray(off < 1, np.float32)


def dark_brows(face: NDArray[np.float32], brows: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """(K,): by which share of lightness hair of each brow is darker than the skin above and below it.

    Args:
        face: (128, 128, 3) RGB in [0, 255].
        brows: (128, 128) each: 1 on it.
    """
    soft = np.clip(cv2.GaussianBlur(face, (0, 0), _SOFT), 0, 255) / 255
    lightness = np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB)[..., 0], np.float32)
    return np.array([_dark_brow(lightness, brow) for brow in brows])


def _dark_brow(lightness: NDArray[np.float32], brow: NDArray[np.float32]) -> float:
    beside = cv2.dilate(brow, np.ones((9, 5), np.uint8)) - brow
    hair, around = lightness[brow > 0.5], lightness[beside > 0.5]
    if not hair.size or not around.size:
        return 0.0
    return 1 - float(hair[hair <= np.median(hair)].mean()) / max(float(np.median(around)), _LEAST_LIGHT)
