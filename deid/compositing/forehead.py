"""What is left of the subject's forehead between a new face and the hair, without its lines and shades.

A new face tells nothing of the person that was there. Of what is left around it, the skin of the forehead tells most
(weights/EXPERIMENTS.md).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.blend import features, uncovered
from deid.core.types import AlignedFace
from deid.imaging.alignment import SIZE
from deid.imaging.geometry import scaled

Field = NDArray[np.float32]

#: Grain reaches so many medians of its size, and hair is rougher than so many grey levels.
_LINE, _TEXTURE = 4.0, 6.0
#: What of the forehead is replaced lies between these two, in pixels of 128: finer is the photo's grain, coarser its light.
_FINE, _COARSE = 0.6, 5.0
#: How much a pixel of the old forehead counts for the light beside one of the new face.
_OWN = 0.15
#: The forehead ends in an ellipse: so wide as a share of the jaw's width, so high as a share of the distance from brow to nose, and so
#: softly, in pixels of 128.
_WIDE, _HIGH, _SOFT = 0.88, 1.0, 3.0
#: What would change by more than this many grey levels is a strand of hair, a wall or a highlight, and stays; it fades from half of it on.
_MOST = 30.0


def calmed(new: Field, mask: Field, face: AlignedFace) -> tuple[Field, Field]:
    """A new face with the rest of the forehead.

    Args:
        new: (n, n, 3) the new face, in [0, 255].
        mask: (n, n) in [0, 1], how much of it shows.
        face: the photo's, with landmarks and a crop (n, n, 3) at its scale.

    Returns:
        The same two with a calm forehead above the mask; the same two as they are where no forehead is left.
    """
    assert face.points is not None
    assert face.large is not None
    rest = _forehead(face.points, face.crop)
    n, old = mask.shape[0], face.large.astype(np.float32)
    # What is nearly nothing is nothing, or hair would count as edited.
    where = np.clip(1.05 * scaled(rest, n) - 0.05, 0, 1)
    taken = where * (1 - mask)
    if taken.max() < 0.05:
        return new, mask
    shown = old + mask[..., None] * (new - old)
    small, inside = (np.asarray(cv2.resize(x, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32) for x in (shown, mask))
    plain = 1 - cv2.dilate(features(face.points), np.ones((5, 5), np.uint8))
    light = _smooth(small, np.maximum(inside * plain, _OWN * rest), _COARSE)
    off = np.abs(light - cv2.GaussianBlur(small, (0, 0), 1.5)).max(axis=2)
    alike = scaled(cv2.GaussianBlur(np.clip(2 - 2 * off / _MOST, 0, 1), (0, 0), 1.5), n)
    where, taken = where * alike, taken * alike
    grain = shown - _smooth(shown, np.maximum(where, mask), _FINE * n / SIZE)
    # What stands out of the grain is a line or a hair.
    most = _LINE * np.median(np.abs(grain[where > 0.5])) if (where > 0.5).any() else 0.0
    grain = np.clip(grain, -most, most)
    filled = scaled(light, n) + grain
    out = shown + taken[..., None] * (filled - shown)
    alpha = np.maximum(mask, where)
    # What is to be pasted with this mask for `out` to come of it.
    pasted = old + (out - old) / np.maximum(alpha, 1e-3)[..., None]
    return np.asarray(np.clip(pasted, 0, 255), np.float32), np.asarray(alpha, np.float32)


def _forehead(points: NDArray[np.float64], crop: NDArray[np.uint8]) -> Field:
    """(128, 128) soft: 1 on the skin above the brows."""
    brows = points[17:27]
    slope, height = np.polyfit(brows[:, 0], brows[:, 1], 1) if np.ptp(brows[:, 0]) > 1 else (0.0, brows[:, 1].mean())
    y, x = np.mgrid[:SIZE, :SIZE]
    above = np.clip((slope * x + height - y + 2) / 4, 0, 1)
    inside = _within_head(points, float(np.arctan(slope)))
    kept = np.minimum(uncovered(points, crop), _without_hair(crop, inside > 0.5))
    skin = cv2.GaussianBlur(cv2.erode(kept, np.ones((5, 5), np.uint8)), (0, 0), 1.5)
    return np.asarray(inside * above * skin, np.float32)


def _within_head(points: NDArray[np.float64], turn: float) -> Field:
    """(128, 128) soft: 1 where a head that is turned by so much (radians, clockwise) may have its forehead."""
    middle = points[17:27].mean(axis=0)
    size = _WIDE * np.linalg.norm(points[16] - points[0]), 2 * _HIGH * np.linalg.norm(points[33] - middle)
    inside: NDArray[Any] = np.zeros((SIZE, SIZE), np.float32)
    cv2.ellipse(inside, (tuple(map(float, middle)), tuple(map(float, size)), float(np.degrees(turn))), 1.0, -1)
    # A head that looks aside ends nearer on one side.
    y, x = np.mgrid[:SIZE, :SIZE]
    along = x * np.cos(turn) + y * np.sin(turn)
    left, right = points[[0, 16]] @ (np.cos(turn), np.sin(turn))
    inside[(along < left + _SOFT) | (along > right - _SOFT)] = 0
    return np.asarray(cv2.GaussianBlur(inside, (0, 0), _SOFT), np.float32)


def _without_hair(crop: NDArray[np.uint8], forehead: NDArray[np.bool_]) -> Field:
    """(128, 128): 0 on texture that reaches out of the forehead: blond and grey hair has the colour of skin, and lines lie within."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 2.5)
    rough = cv2.GaussianBlur(np.square(fine), (0, 0), 2.0) > _TEXTURE**2
    _, parts = cv2.connectedComponents(rough.astype(np.uint8))
    outside = np.unique(parts[rough & ~forehead])
    return np.asarray(~np.isin(parts, outside[outside > 0]), np.float32)


def _smooth(image: Field, support: NDArray[Any], sigma: float) -> Field:
    """What is coarse of an image (n, n, 3) inside a support (n, n)."""
    top, under = (cv2.GaussianBlur(x, (0, 0), sigma) for x in (image * support[..., None], support))
    return np.asarray(top / (under[..., None] + 1e-4), np.float32)
