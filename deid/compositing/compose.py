"""Pixels and mask for pasting, from a stand-in and a photo."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing import fill, grain, seam
from deid.compositing.blend import face_mask, features, shrunk
from deid.compositing.fit import Fit
from deid.compositing.skin import skin
from deid.core.attributes import ATTRIBUTES
from deid.core.types import AlignedFace, Image, StandIn
from deid.imaging.geometry import scaled

_GLASSES = ATTRIBUTES.index("Eyeglasses")
#: From this probability on, frames are taken for worn: at 0.5 thin frames are missed, of which the arms stay.
_WORN = 0.2
#: Arms of glasses: searched from this many pixels (of 128) beside the eyes to this many beyond the jaw line, and so far above and below
#: the eyes, as lines that are this much darker or brighter than what lies above and below.
_HINGE, _BEYOND, _BESIDE, _ARM = 8, 10, 11, 12.0
#: They are so long at least, and so thick at most to each side; noise is smoothed along them over so many pixels of 128.
_LEAST, _THICK, _ALONG = 5.0, 4.0, 1.2
#: How far into the face a difference along the seam is felt, in pixels of 128.
_SPREAD = 7.0

Field = NDArray[np.float32]


def compose(new: StandIn, face: AlignedFace) -> tuple[Image, NDArray[np.float32], Fit]:
    """A stand-in fitted to the photo: colours along a seam, sharpness and grain.

    Args:
        new: the stand-in, (n, n, 3).
        face: with landmarks and a crop (n, n, 3) at the photo's scale.

    Returns:
        Pixels to paste, (n, n, 3) uint8 RGB; the mask, (n, n) float32 in [0, 1]; and the fit.
    """
    assert face.points is not None
    assert face.large is not None
    glasses = face.attributes is not None and float(face.attributes[_GLASSES]) > _WORN
    arms = _arms(face) if glasses else None
    if arms is not None:
        clean = _bridged(face.large, arms)
        face = replace(face, large=clean, crop=shrunk(clean))
    return _fitted(new, face, glasses, arms)


def _fitted(new: StandIn, face: AlignedFace, glasses: bool, arms: NDArray[np.bool_] | None) -> tuple[Image, NDArray[np.float32], Fit]:
    """`compose` for a photo from which the arms (n, n) of glasses were removed."""
    assert face.points is not None
    assert face.large is not None
    n, old = new.face.shape[0], face.crop.astype(np.float32)
    small = new.face if n == old.shape[0] else np.asarray(cv2.resize(new.face, old.shape[:2], interpolation=cv2.INTER_AREA), np.float32)
    way = seam.find_seam(small, old, face.points, new, glasses, face.steady)
    tuned = np.asarray(fill.without_hair(new, small) + scaled(_shift(small, old, way), n), np.float32)
    new_features, old_features = _near(features(new.points)), _near(features(face.points))
    around = (skin(face.points, face.crop) > 0.6) & ~old_features & (face_mask(face.points) > 0.3)
    inside = grain.Regions(_enlarged((way.mask > 0.9) & ~new_features, n), _enlarged((way.mask > 0.9) & new_features, n))
    beside = grain.Regions(_enlarged(around, n), _enlarged(old_features, n))
    for match in (grain.match_contrast, grain.match_grain):
        tuned = match(tuned, face.large, inside, beside, face.steady)
    mask = scaled(way.mask, n)
    if arms is not None:
        tuned, mask = _with_bridges(tuned, mask, face.large, arms)
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


def _with_bridges(
    new: NDArray[np.float32], mask: NDArray[np.float32], photo: Image, arms: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The same with what the photo shows without the arms of glasses: half a pair gives an edit away."""
    shown = cv2.GaussianBlur(arms.astype(np.float32), (0, 0), max(0.6, mask.shape[0] / 256))
    alpha = np.maximum(mask, np.where(arms, 1.0, shown).astype(np.float32))
    weight = (mask / np.maximum(alpha, 1e-3))[..., None]
    return np.asarray(weight * new + (1 - weight) * photo, np.float32), alpha


def _bridged(photo: Image, lines: NDArray[np.bool_]) -> Image:
    """A picture (n, n, 3) whose level lines (n, n) continue what lies above and below them, hair as hair and skin as skin."""
    out, n = photo.copy(), len(photo)
    for x in np.flatnonzero(lines.any(axis=0)):
        edges = np.flatnonzero(np.diff(lines[:, x].astype(np.int8), prepend=0, append=0))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            y = np.arange(start, stop)
            # Mirrored at both edges, and each side fades toward the other one.
            above, below = np.clip(2 * start - 1 - y, 0, n - 1), np.clip(2 * stop - 1 - y, 0, n - 1)
            share = ((y - start + 1) / (stop - start + 1))[:, None]
            out[y, x] = ((1 - share) * photo[above, x] + share * photo[below, x]).round()
    return out


def _arms(face: AlignedFace) -> NDArray[np.bool_]:
    """(n, n): the arms of glasses, one level line between each eye and its ear."""
    assert face.points is not None
    assert face.large is not None
    n = face.large.shape[0]
    k = n / face.crop.shape[0]
    # Along the line, hair and skin are noise.
    lightness = cv2.GaussianBlur(cv2.cvtColor(face.large, cv2.COLOR_RGB2LAB)[..., 0], (0, 0), sigmaX=_ALONG * k, sigmaY=0.3 * k)
    tall = cv2.getStructuringElement(cv2.MORPH_RECT, (1, max(3, round(9 * k)) | 1))
    dark, bright = (cv2.morphologyEx(lightness, op, tall).astype(np.float32) for op in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT))
    found = np.zeros((n, n), bool)
    eyes = face.points[36:48, 1].mean()
    rows = slice(max(0, int((eyes - _BESIDE) * k)), max(0, int((eyes + _BESIDE) * k)))
    for eye, jaw, side in ((face.points[36], face.points[0], -1), (face.points[45], face.points[16], 1)):
        x0, x1 = sorted((eye[0] + side * _HINGE, jaw[0] + side * _BEYOND))
        columns = slice(max(0, int(x0 * k)), max(0, int(x1 * k)))
        for contrast in (dark, bright):
            found[rows, columns] |= _line(contrast[rows, columns][:, ::side], k)[:, ::side]
    return np.asarray(cv2.dilate(found.astype(np.uint8), np.ones((2 * round(0.8 * k) + 1,) * 2, np.uint8)) > 0)


def _line(contrast: NDArray[np.float32], k: float) -> NDArray[np.bool_]:
    """The strongest line from left to right through how much each place stands out (h, w), where it does; ``k`` pixels are one of 128."""
    h, w = contrast.shape
    found = np.zeros((h, w), bool)
    if h < 3 or w < _LEAST * k:
        return found
    rows, columns = seam.cheapest_way(-contrast.T), np.arange(w)
    strong = contrast[rows, columns] > _ARM
    if strong.sum() < _LEAST * k:
        return found
    thick = round(_THICK * k)
    for y, x in zip(rows[strong], columns[strong], strict=True):
        near = contrast[:, x] > 0.4 * contrast[y, x]
        # As thick as it stands out, on both sides of the way.
        up, down = int(np.argmin(near[y::-1])) or y + 1, int(np.argmin(near[y:])) or h - y
        found[max(0, y - min(up - 1, thick)) : y + min(down - 1, thick) + 1, x] = True
    return found
