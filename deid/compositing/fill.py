"""Continues a face where a portrait shows hair, a hat or its background, and a photo where a face is covered."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Image, StandIn
from deid.imaging.geometry import scaled
from deid.imaging.template import BROWS, SIZE

Field = NDArray[np.float32]

#: What is visible by less than this is filled; how soft the border of what is filled is, in pixels of 128; the side at which the filling
#: ends in one colour.
_HIDDEN, _SOFT, _SMALLEST = 0.7, 1.2, 4
#: The middle of a cover, in which nothing else shows, is deeper inside than this share of the deepest place.
_MIDDLE = 0.5
#: Longest side in pixels of the copy in which what surrounds a cover is continued: it is smooth. Covers are laid so many rows at a time.
_LARGEST, _BAND = 512, 128
#: How thick the middle of a brow is, in pixels of 128. Hairs reach so far beyond its end at the temple, in distances of landmarks; where
#: the temple is hidden the end is skin, for hair beside it would be a grey smear.
_BROW, TAIL, _SHORTER = 3, 0.6, -0.5


def without_hair(new: StandIn, small: Field) -> Field:
    """A new face (n, n, 3) whose hidden parts continue the skin around them.

    Args:
        new: the new face.
        small: the same, (128, 128, 3).
    """
    features = _features(new.points, _BROW, _SHORTER)
    hidden = cv2.dilate((new.visible < _HIDDEN).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32) * (1 - features)
    around = cv2.dilate(_features(new.points, 2 * _BROW, TAIL), np.ones((3, 3), np.uint8))
    skin = continued(small, np.asarray((1 - hidden) * (1 - around), np.float32))
    shown = scaled(np.asarray(cv2.GaussianBlur(hidden, (0, 0), _SOFT), np.float32), new.face.shape[0])[..., None]
    return np.asarray(new.face + shown * (scaled(skin, new.face.shape[0]) - new.face), np.float32)


def surrounded(cover: NDArray[np.float32] | Image, photo: Image, hidden: NDArray[np.bool_]) -> Image:
    """A photo (H, W, 3) with a cover over the middle of what is hidden, which fades into what surrounds it. Of what is hidden no more
    shows than the cover shows.

    Args:
        cover: RGB in [0, 255], one colour (3,) or a picture (H, W, 3).
        photo: uint8 RGB.
        hidden: (H, W).
    """
    out = photo.copy()
    if not hidden.any():
        return out
    around, depth = _around(photo, hidden), _depth(hidden)
    for start in range(0, len(photo), _BAND):
        rows = slice(start, min(start + _BAND, len(photo)))
        shown = np.asarray(cover if cover.ndim == 1 else cover[rows], np.float32)
        below = shown if around is None else _enlarged(around, photo.shape[:2], rows)
        mixed = below + _smooth(depth[rows])[..., None] * (shown - below)
        # Several times as fast as numpy's indexing by a mask.
        cv2.copyTo(np.asarray(mixed.round(), np.uint8), hidden[rows].view(np.uint8), out[rows])
    return out


def _smooth(part: Field) -> Field:
    """From 0 to 1 without an edge at either end."""
    return np.asarray(part * part * (3 - 2 * part), np.float32)


def _around(photo: Image, hidden: NDArray[np.bool_]) -> Field | None:
    """What surrounds the hidden part of a photo, continued into it; no larger than `_LARGEST`. None where all is hidden."""
    if hidden.all():
        return None
    height, width = hidden.shape
    factor = _LARGEST / max(height, width)
    if factor >= 1:
        return continued(photo.astype(np.float32), (~hidden).astype(np.float32))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    known = ~hidden * np.uint8(255)
    seen = cv2.bitwise_and(photo, photo, mask=known)
    share, small = (cv2.resize(x, size, interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255) for x in (known, seen))
    return continued(np.asarray(255 * small / np.maximum(share, 1e-3)[..., None], np.float32), share)


def _depth(hidden: NDArray[np.bool_]) -> Field:
    """(H, W): how deep inside the hidden part a place lies, from 0 at its border to 1 in its middle."""
    inside = np.asarray(cv2.distanceTransform(np.pad(hidden.view(np.uint8), 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32)
    inside /= max(float(inside.max()), 1.0)
    inside /= _MIDDLE
    return np.clip(inside, 0, 1, out=inside)


def _enlarged(small: Field, size_hw: tuple[int, ...], rows: slice) -> Field:
    """Some rows of an image (h, w, 3) that is enlarged to (H, W)."""
    if small.shape[:2] == size_hw:
        return small[rows]
    at = np.clip((np.arange(rows.start, rows.stop) + 0.5) * len(small) / size_hw[0] - 0.5, 0, len(small) - 1)
    low = at.astype(np.int64)
    high, part = np.minimum(low + 1, len(small) - 1), (at - low).astype(np.float32)[:, None, None]
    narrow = small[low] + part * (small[high] - small[low])
    return np.asarray(cv2.resize(narrow, (size_hw[1], len(at)), interpolation=cv2.INTER_LINEAR), np.float32)


def _features(points: NDArray[np.float64], thick: int, longer: float) -> Field:
    """(128, 128): 1 on eyes, lips, and brows so thick and longer at the temples, see `long_brows`; no skin beside them continues them."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    where = np.round(points).astype(np.int32)
    cv2.polylines(mask, [np.round(brow).astype(np.int32) for brow in long_brows(points, longer)], False, 1, thick)
    for part in (slice(36, 42), slice(42, 48), slice(48, 60)):
        cv2.fillConvexPoly(mask, cv2.convexHull(where[part]), 1)
    return np.asarray(mask, np.float32)


def long_brows(points: NDArray[np.float64], longer: float) -> list[NDArray[np.float64]]:
    """Both brows (5, 2) of landmarks (68, 2), from the temple on, and there longer by so many distances of landmarks."""
    brows = points[BROWS[0]], points[BROWS[1]][::-1]
    return [np.concatenate([brow[:1] + longer * (brow[:1] - brow[1:2]), brow[1:]]) for brow in brows]


def continued(image: Field, known: Field) -> Field:
    """An image (H, W, C) that is smooth where nothing is known of it: the pull and push of S. Gortler et al., "The Lumigraph",
    SIGGRAPH 1996.

    Args:
        image: what is there.
        known: (H, W) in [0, 1], how much of it counts.
    """
    if min(known.shape) <= _SMALLEST:
        mean = (image * known[..., None]).sum(axis=(0, 1)) / max(float(known.sum()), 1e-6)
        return np.asarray(image * known[..., None] + mean * (1 - known[..., None]), np.float32)
    # Numpy multiplies by (H, W, C) several times as fast as by (H, W, 1).
    each = cv2.merge([known] * image.shape[2])
    top, weight = (np.asarray(cv2.pyrDown(x), np.float32) for x in (image * each, known))
    mean = np.asarray(top / cv2.merge([np.maximum(weight, 1e-6)] * image.shape[2]), np.float32)
    coarse = continued(mean, np.minimum(2 * weight, np.float32(1)))
    around = np.asarray(cv2.pyrUp(coarse, dstsize=known.shape[::-1]), np.float32)
    return np.asarray(around + each * (image - around), np.float32)
