"""Pixels and mask for pasting, from a stand-in and a photo."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing import fill, grain, seam
from deid.compositing.blend import face_mask, features
from deid.compositing.fit import Fit
from deid.compositing.glasses import in_glasses, under_glasses, without, worn_again
from deid.compositing.objects import behind_objects, seen
from deid.compositing.shades import match_shades
from deid.compositing.skin import skin
from deid.core.medians import median
from deid.core.remembered import remembered
from deid.core.types import AlignedFace, Image, StandIn
from deid.imaging.geometry import averaged, scaled
from deid.imaging.template import SIZE

#: How far into the face a difference along the seam is felt, in pixels of 128.
_SPREAD = 7.0

Field = NDArray[np.float32]


def compose(new: StandIn, face: AlignedFace, glasses: bool = True) -> tuple[Image, NDArray[np.float32], Fit]:
    """A stand-in fitted to the photo: colours along a seam, sharpness and grain.

    Args:
        new: the stand-in, (n, n, 3).
        face: with landmarks and a crop (n, n, 3) at the photo's scale.
        glasses: whether the new face wears the glasses of the photo's.

    Returns:
        Pixels to paste, (n, n, 3) uint8 RGB; the mask, (n, n) float32 in [0, 1]; and the fit.
    """
    assert face.points is not None
    bare, shown = without(face), seen(face)
    tuned, mask, fit = _fitted(new, bare, shown)
    tuned = match_shades(tuned, new.points, bare, shown & ~under_glasses(face))
    tuned, mask = worn_again(tuned, mask, face, glasses)
    return np.asarray(np.clip(tuned, 0, 255).round(), np.uint8), behind_objects(mask, face), fit


def sketched(new: StandIn, face: AlignedFace, glasses: bool = True) -> tuple[Image, Fit]:
    """The crop (128, 128, 3) of a photo with a stand-in of that size in place of the face: colours along a seam, and no more. What stands
    before the face is left out, and so are glasses where the new face is not to wear them."""
    bare = without(face)
    assert bare.points is not None
    old = bare.crop.astype(np.float32)
    way = seam.find_seam(new.face, old, bare.points, new)
    shifted = new.face + _shift(new.face, old, way, seen(face))
    made = np.asarray(old + way.mask[..., None] * (shifted - old), np.float32)
    made = in_glasses(made, face) if glasses and face.wears_glasses else made
    return np.asarray(np.clip(made, 0, 255).round(), np.uint8), way.fit


def _fitted(new: StandIn, face: AlignedFace, seen: NDArray[np.bool_]) -> tuple[Field, Field, Fit]:
    """`compose` for a face without glasses, and without what stands before it: that is not ``seen`` (128, 128)."""
    assert face.points is not None
    assert face.large is not None
    n, old, small = new.face.shape[0], face.crop.astype(np.float32), averaged(new.face, SIZE)
    way = seam.find_seam(small, old, face.points, new, face.steady)
    tuned = np.asarray(fill.without_hair(new, small) + scaled(_shift(small, old, way, seen), n), np.float32)
    new_features, old_features = _near(features(new.points)), _near(features(face.points))
    inside = grain.Regions(_enlarged((way.mask > 0.9) & ~new_features, n), _enlarged((way.mask > 0.9) & new_features, n))
    beside = grain.Regions(_enlarged(_plain_skin(face.points, face.crop) & seen, n), _enlarged(old_features & seen, n))
    for match in (grain.match_contrast, grain.match_grain):
        tuned = match(tuned, face.large, inside, beside, face.steady)
    return tuned, scaled(way.mask, n), way.fit


@remembered(16)
def _plain_skin(points: NDArray[np.float64], crop: Image) -> NDArray[np.bool_]:
    """(128, 128): where a crop shows skin of a face without features."""
    return np.asarray((skin(points, crop) > 0.6) & ~_near(features(points)) & (face_mask(points) > 0.3))


def _shift(small: Field, old: Field, way: seam.Seam, seen: NDArray[np.bool_]) -> Field:
    """(128, 128, 3): what to add to a new face: along the seam what makes it meet the photo, in the middle one shift of colour.

    The stand-in has the photo's light already. Spread over all of the face, a hand or a shadow on the seam gives it a cast.
    """
    inside = (way.mask > 0.9).astype(np.uint8)
    if not inside.any():
        return np.zeros_like(old)
    counts = (inside > 0) & seen
    middle = median((old - small)[counts if counts.any() else inside > 0])
    near = np.exp(-cv2.distanceTransform(inside, cv2.DIST_L2, 3) / _SPREAD)[..., None]
    return np.asarray(middle + near * (seam.membrane(small, old, way) - middle), np.float32)


def _near(where: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(cv2.dilate(where, np.ones((5, 5), np.uint8)) > 0.5)


def _enlarged(where: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    return np.asarray(cv2.resize(where.astype(np.uint8), (n, n), interpolation=cv2.INTER_NEAREST) > 0)
