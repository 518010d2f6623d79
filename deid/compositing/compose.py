"""Pixels and mask for pasting, from a stand-in and a photo."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing import fill, grain, seam
from deid.compositing.blend import face_mask, features
from deid.compositing.skin import skin
from deid.core.attributes import ATTRIBUTES
from deid.core.types import AlignedFace, Image, StandIn
from deid.imaging.geometry import scaled

_GLASSES = ATTRIBUTES.index("Eyeglasses")
#: From this probability on, frames are taken for worn: at 0.5 thin frames are missed, of which the arms stay.
_WORN = 0.2
#: Arms of glasses: searched this many pixels (of 128) beyond the jaw line and around the eyes, as lines that are this much darker
#: or brighter than what lies above and below.
_BEYOND, _BESIDE, _ARM = 20, 11, 12.0
#: How far into the face a difference along the seam is felt, in pixels of 128.
_SPREAD = 7.0

Field = NDArray[np.float32]


def compose(new: StandIn, face: AlignedFace) -> tuple[Image, NDArray[np.float32], float]:
    """A stand-in fitted to the photo: colours along a seam, sharpness and grain.

    Args:
        new: the stand-in, (n, n, 3).
        face: with landmarks and a crop (n, n, 3) at the photo's scale.

    Returns:
        Pixels to paste, (n, n, 3) uint8 RGB; the mask, (n, n) float32 in [0, 1]; and the fit, in [0, 1].
    """
    assert face.points is not None
    assert face.large is not None
    n, old = new.face.shape[0], face.crop.astype(np.float32)
    small = new.face if n == old.shape[0] else np.asarray(cv2.resize(new.face, old.shape[:2], interpolation=cv2.INTER_AREA), np.float32)
    glasses = face.attributes is not None and float(face.attributes[_GLASSES]) > _WORN
    way = seam.find_seam(small, old, face.points, new, glasses, face.steady)
    tuned = np.asarray(fill.without_hair(new, small) + scaled(_shift(small, old, way), n), np.float32)
    new_features, old_features = _near(features(new.points)), _near(features(face.points))
    around = (skin(face.points, face.crop) > 0.6) & ~old_features & (face_mask(face.points) > 0.3)
    tuned = grain.match_grain(
        tuned,
        face.large,
        grain.Regions(_enlarged((way.mask > 0.9) & ~new_features, n), _enlarged((way.mask > 0.9) & new_features, n)),
        grain.Regions(_enlarged(around, n), _enlarged(old_features, n)),
        face.steady,
    )
    mask = scaled(way.mask, n)
    if glasses:
        tuned, mask = _without_arms(tuned, mask, face)
    return np.asarray(np.clip(tuned, 0, 255).round(), np.uint8), mask, way.fit


def _shift(small: Field, old: Field, way: seam.Seam) -> Field:
    """(128, 128, 3): what to add to a new face: along the seam what makes it meet the photo, in the middle one shift of colour.

    The stand-in has the photo's light already. Spread over all of the face, a hand or a shadow on the seam gives it a cast.
    """
    inside = (way.mask > 0.9).astype(np.uint8)
    if not inside.any():
        return np.zeros_like(old)
    middle = np.median((old - small)[inside > 0], axis=0)
    near = np.exp(-cv2.distanceTransform(inside, cv2.DIST_L2, 3) / _SPREAD)[..., None]
    return np.asarray(middle + near * (seam.membrane(small, old, way) - middle), np.float32)


def _near(where: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(cv2.dilate(where, np.ones((5, 5), np.uint8)) > 0.5)


def _enlarged(where: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    return np.asarray(cv2.resize(where.astype(np.uint8), (n, n), interpolation=cv2.INTER_NEAREST) > 0)


def _without_arms(
    new: NDArray[np.float32], mask: NDArray[np.float32], face: AlignedFace
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The same with the arms of glasses beside the face filled from the skin around them: half a pair gives an edit away."""
    assert face.points is not None
    assert face.large is not None
    arms = _arms(face) & (mask < 0.99)
    if not arms.any():
        return new, mask
    filled = cv2.inpaint(face.large, arms.astype(np.uint8), max(3, mask.shape[0] // 64), cv2.INPAINT_TELEA).astype(np.float32)
    shown = cv2.GaussianBlur(arms.astype(np.float32), (0, 0), max(0.6, mask.shape[0] / 256))
    shown = np.where(arms, 1.0, shown).astype(np.float32)
    alpha = np.maximum(mask, shown)
    weight = (mask / np.maximum(alpha, 1e-3))[..., None]
    return np.asarray(weight * new + (1 - weight) * filled, np.float32), alpha


def _arms(face: AlignedFace) -> NDArray[np.bool_]:
    """(n, n): thin, level lines on the skin between the eyes and the ears."""
    assert face.points is not None
    assert face.large is not None
    n = face.large.shape[0]
    k = n / face.crop.shape[0]
    lightness = cv2.cvtColor(face.large, cv2.COLOR_RGB2LAB)[..., 0]
    tall = cv2.getStructuringElement(cv2.MORPH_RECT, (1, max(3, round(9 * k)) | 1))
    dark, bright = (cv2.morphologyEx(lightness, op, tall) for op in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT))
    line = np.maximum(dark, bright) > _ARM
    on_skin = cv2.morphologyEx(skin(face.points, face.crop), cv2.MORPH_CLOSE, np.ones((9, 3), np.uint8)) > 0.3
    line &= _enlarged(on_skin, n)
    beside = np.zeros((n, n), bool)
    eyes = face.points[36:48, 1].mean()
    for jaw, side in ((face.points[0], -1), (face.points[16], 1)):
        near, far = jaw[0] - side * 12, jaw[0] + side * _BEYOND
        x0, x1 = sorted((near * k, far * k))
        beside[max(0, int((eyes - _BESIDE) * k)) : int((eyes + _BESIDE) * k), max(0, int(x0)) : max(0, int(x1))] = True
    return _long(line & beside, round(7 * k), round(1.2 * k))


def _long(lines: NDArray[np.bool_], least: int, grow: int) -> NDArray[np.bool_]:
    """Only what reaches far sideways, a little wider."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lines.astype(np.uint8))
    keep = np.flatnonzero(stats[:, cv2.CC_STAT_WIDTH] >= least)
    kept: NDArray[Any] = np.isin(labels, keep[keep > 0]).astype(np.uint8)
    return np.asarray(cv2.dilate(kept, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)) > 0)
