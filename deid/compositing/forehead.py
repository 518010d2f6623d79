"""What is left of the subject's forehead between a new face and the hair, without its lines and shades.

A forehead tells as much of a person as an eye does: with its own skin painted over, the middle of the photo says half as much of who it
was (weights/EXPERIMENTS.md).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.blend import features, outline, uncovered
from deid.core.types import AlignedFace
from deid.imaging.alignment import SIZE
from deid.imaging.geometry import scaled

Field = NDArray[np.float32]

#: What of the forehead is replaced lies between these two, in pixels of 128: finer is the photo's grain, coarser its light.
_FINE, _COARSE = 0.6, 14.0
#: How much a pixel of the old forehead counts for the light beside one of the new face.
_OWN = 0.15
#: How far up a forehead may reach, times the distance from brow to nose, and how softly it ends where no hair ends it, in pixels of 128.
_HIGH, _SOFT = 1.0, 3.0


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
    grain = shown - _smooth(shown, np.maximum(where, mask), _FINE * n / SIZE)
    filled = scaled(light, n) + grain
    out = shown + taken[..., None] * (filled - shown)
    alpha = np.maximum(mask, where)
    # What is to be pasted with this mask for `out` to come of it.
    pasted = old + (out - old) / np.maximum(alpha, 1e-3)[..., None]
    return np.asarray(np.clip(pasted, 0, 255), np.float32), np.asarray(alpha, np.float32)


def _forehead(points: NDArray[np.float64], crop: NDArray[np.uint8]) -> Field:
    """(128, 128) soft: 1 on the skin above the brows."""
    inside: NDArray[Any] = np.zeros((SIZE, SIZE), np.float32)
    cv2.fillConvexPoly(inside, np.round(outline(points, _HIGH)).astype(np.int32), 1.0)
    inside = cv2.GaussianBlur(cv2.erode(inside, np.ones((5, 5), np.uint8)), (0, 0), _SOFT)
    brows = points[17:27]
    slope, height = np.polyfit(brows[:, 0], brows[:, 1], 1) if np.ptp(brows[:, 0]) > 1 else (0.0, brows[:, 1].mean())
    y, x = np.mgrid[:SIZE, :SIZE]
    above = np.clip((slope * x + height - y + 2) / 4, 0, 1)
    skin = cv2.GaussianBlur(cv2.erode(uncovered(points, crop), np.ones((3, 3), np.uint8)), (0, 0), 0.8)
    return np.asarray(inside * above * skin, np.float32)


def _smooth(image: Field, support: NDArray[Any], sigma: float) -> Field:
    """What is coarse of an image (n, n, 3) inside a support (n, n)."""
    top, under = (cv2.GaussianBlur(x, (0, 0), sigma) for x in (image * support[..., None], support))
    return np.asarray(top / (under[..., None] + 1e-4), np.float32)
