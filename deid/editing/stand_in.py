"""Identity-free stand-ins: portraits in the pose and light of a face, at the photo's own scale.

Of the subject only the outline of the head, the place of the features, the coarse light and the inside of an open mouth go in. Eyes,
brows, nose and mouth have the portraits' own shapes, and lie a little farther from the subject's than those would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.blend import clear_of_hair, face_mask, outline, shrunk, uncovered
from deid.compositing.seam import reach
from deid.core.temporal import steadied
from deid.core.types import Image, StandIn, Steady
from deid.editing.light import Light, coarse_light, light_of, with_eyes
from deid.editing.looks import HELD, pose
from deid.editing.mouth import gap, inside_of_mouth
from deid.editing.portraits import MIRRORED, Portraits
from deid.editing.sampler import FIRST
from deid.editing.shapes import EYES, INNER, MOUTH, affine
from deid.editing.thin_plate import maps_to
from deid.imaging.geometry import apply, fit_similarity, scaled
from deid.imaging.template import BROWS, SIZE

Field = NDArray[np.float32]

#: Features differ from the subject's by so much more than the portraits' do: what is left around a face leads to the subject, and this
#: leads away (weights/EXPERIMENTS.md). How far is drawn with the portraits' shares.
_AWAY = (0.8, 1.7)
#: Features stay so far inside the face, in pixels of 128, whose border lies so far above the brows, times their distance to the nose.
_BORDER, _FOREHEAD = 2.0, 0.3
#: A brow may fall toward the nose by so much more of its length than the portraits' does.
_MORE_SLANT = 0.04
#: A part of a portrait is not counted as smaller or larger than so many times its own area.
_AREAS = (0.05, 20.0)
#: Portraits of a mix share what is coarser than this many pixels; all finer detail is the first one's: a mean of two is soft, and brows
#: of two make four.
_TONE = 12.0
#: An eye counts as shutting under this share of the portrait's opening; and mouths are alike that differ by fewer pixels of 128 between the
#: lips.
_SHUT, _SAME_GAP = 0.7, 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """A stand-in in small, and what it takes to make it at the photo's scale.

    Args:
        first: the portrait that gives the detail.
        maps: (128, 128, 2) where its pixels come from.
        to_photo: (128, 128, 2) where the photo's pixels come from, in the stand-in's shape.
        light: the photo's, for the first portrait.
        small: (128, 128, 3) that portrait in place and in that light.
        tone: (128, 128, 3) what the others add.
        between_lips: (128, 128) in [0, 1], how much of the photo shows inside the mouth, see `inside_of_mouth`.
        visible, points, strain: see `StandIn`.
    """

    first: int
    maps: Field
    to_photo: Field
    light: Light
    small: Field
    tone: Field
    between_lips: Field
    visible: Field
    points: NDArray[np.float64]
    strain: float

    def in_small(self, crop: Image) -> StandIn:
        """The stand-in (128, 128, 3) for the face in this crop (128, 128, 3)."""
        return self._with(self.small, crop)

    def at_scale(self, bank: Portraits, large: Image) -> StandIn:
        """The stand-in at the photo's scale, that of ``large`` (n, n, 3)."""
        return self._with(self.light.on(warped(bank.picture(self.first), self.maps, large.shape[0])), large)

    def _with(self, first: Field, photo: Image) -> StandIn:
        n = photo.shape[0]
        face = first + scaled(self.tone, n)
        if self.between_lips.any():
            # Teeth of a smile between the lips of somebody who speaks are a grimace, and what is between lips says little of anybody.
            face += scaled(self.between_lips, n)[..., None] * (warped(photo, self.to_photo, n) - face)
        return StandIn(np.asarray(np.clip(face, 0, 255), np.float32), self.visible, self.points, self.strain)


def stand_in(
    bank: Portraits,
    numbers: Sequence[int],
    shares: Sequence[float],
    crop: Image,
    large: Image,
    points: NDArray[np.float64],
    steady: Steady | None = None,
) -> StandIn:
    """A mix of portraits in the pose and the light of a face; ``large`` (n, n, 3) is the face at the photo's scale, n a multiple of 128.
    The other arguments are those of `sketch`."""
    return sketch(bank, numbers, shares, crop, points, steady).at_scale(bank, large)


def sketch(
    bank: Portraits,
    numbers: Sequence[int],
    shares: Sequence[float],
    crop: Image,
    points: NDArray[np.float64],
    steady: Steady | None = None,
) -> Sketch:
    """A mix of portraits in the pose and the light of a face, in small.

    Args:
        bank: where the portraits are.
        numbers: of the portraits; the first one gives the detail.
        shares: of each in shape and tone; they sum to 1.
        crop: (128, 128, 3) uint8 RGB, the face.
        points: (68, 2) its landmarks in pixels of ``crop``.
        steady: in a video, what keeps light from flickering.
    """
    shape = shape_for(bank, numbers, shares, points, steady)
    to_photo, *maps = maps_to(shape, points, *(bank.points[i] for i in numbers))
    shrunken = [shrunk(bank.picture(i)) for i in numbers]
    small = [warped(picture, m, SIZE) for picture, m in zip(shrunken, maps, strict=True)]
    visible = np.minimum.reduce([shown_of(bank.points[i], picture, m) for i, picture, m in zip(numbers, shrunken, maps, strict=True)])
    here, within, clear = warped(crop, to_photo, SIZE), face_mask(shape), _moved(uncovered(points, crop), to_photo)
    own = coarse_light(here, within * clear)
    lights = [light_of(s, within * visible, own).steadied(steady, str(i)) for i, s in zip(numbers, small, strict=True)]
    lights[0] = with_eyes(lights[0], small[0], crop, shape, points)
    first, *others = [light.on(s) for light, s in zip(lights, small, strict=True)]
    mixed = sum((np.float32(share) * (other - first) for share, other in zip(shares[1:], others, strict=True)), np.zeros_like(first))
    tone = np.asarray(cv2.GaussianBlur(mixed * visible[..., None], (0, 0), _TONE), np.float32)
    strain = max(_strain(m, within * visible) for m in maps)
    return Sketch(numbers[0], maps[0], to_photo, lights[0], first, tone, inside_of_mouth(shape), visible, shape, strain)


def _strain(maps: Field, where: Field) -> float:
    """How unevenly a picture is stretched by ``maps`` (128, 128, 2) where it shows (128, 128), see `StandIn`; a fold counts as much."""
    shown = where > 0.5
    if not shown.any():
        return 0.0
    down, across = (np.asarray(np.gradient(maps, axis=axis)) for axis in (0, 1))
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    return float(np.log(np.clip(area[shown], *_AREAS)).std())


def shape_for(
    bank: Portraits, numbers: Sequence[int], shares: Sequence[float], points: NDArray[np.float64], steady: Steady | None = None
) -> NDArray[np.float64]:
    """Landmarks (68, 2) of a stand-in for a face with these (68, 2); the other arguments are those of `stand_in`."""
    placed = [_placed(bank.points[i], points) for i in numbers]
    shape = points.copy()
    # The jaw meets the photo around it and stays where it is; all other landmarks are the portraits'.
    shape[INNER:] = np.sum([share * p for share, p in zip(shares, placed, strict=True)], axis=0)[INNER:]
    by = pose(points)[HELD] - np.sum([share * bank.pose[i, HELD] for i, share in zip(numbers, shares, strict=True)], axis=0)
    turned, slants = bank.shapes.turned(shape[INNER:], by), [_slant(shape, brow) for brow in BROWS]
    _lead_away(shape, points[INNER:] - turned, float(np.interp(shares[0], FIRST, _AWAY)), steady)
    shape[INNER:] = bank.shapes.bounded(shape[INNER:]) + turned
    for brow, most in zip(BROWS, slants, strict=True):
        _calm(shape, brow, most)
    _follow_expression(bank, shape, points)
    _keep_inside(shape, points)
    return shape


def warped(picture: Image, maps: Field, n: int) -> Field:
    """A picture (s, s, 3) as a crop (n, n, 3) whose pixels come from where ``maps`` (128, 128, 2), in pixels of 128, says."""
    side = picture.shape[0]
    if n < side:
        # Shrunk first, or fine detail would alias.
        picture, side = np.asarray(cv2.resize(picture, (n, n), interpolation=cv2.INTER_AREA), np.uint8), n
    k = side / SIZE
    where = scaled(maps, n) * k + (k - 1) / 2
    return np.asarray(cv2.remap(picture, where[..., 0], where[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.float32)


def _placed(its: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A portrait's landmarks where a face has its features: by a similarity, so that they keep their own shape."""
    return apply(fit_similarity(its[INNER:], points[INNER:]), its)


def _lead_away(shape: NDArray[np.float64], own: NDArray[np.float64], share: float, steady: Steady | None = None) -> None:
    """Move the features of a shape (68, 2) farther from the face's own (51, 2), in place, by a share of their distance.

    The part that an affine map explains is the pose, and stays. So do the forms of eyes and mouth, which are expression. What differs
    between left and right is pose too, or an error of the landmarks: led away, one brow lay on its eye.
    """
    off = np.zeros_like(shape)
    off[INNER:] = shape[INNER:] - affine(own, shape[INNER:])
    off = (off + off[MIRRORED] * (-1, 1)) / 2
    for part in (*EYES, MOUTH):
        off[part] = off[part].mean(axis=0)
    shape += share * steadied(steady, "away", off, 3.0)


def _slant(shape: NDArray[np.float64], brow: slice) -> float:
    """By how much of its length a brow of a shape (68, 2) falls toward the nose."""
    inner, outer = shape[brow][::-1][[0, -1]] if brow == BROWS[0] else shape[brow][[0, -1]]
    return float((inner[1] - outer[1]) / max(abs(inner[0] - outer[0]), 1.0))


def _calm(shape: NDArray[np.float64], brow: slice, most: float) -> None:
    """Tilt a brow of a shape (68, 2), in place, that falls toward the nose by more than ``most``, see `_slant`: it would be angry."""
    if (over := _slant(shape, brow) - most - _MORE_SLANT) > 0:
        x = shape[brow, 0] - shape[brow, 0].mean()
        shape[brow, 1] += over * x * (-1 if brow == BROWS[0] else 1)


def _keep_inside(shape: NDArray[np.float64], points: NDArray[np.float64]) -> None:
    """Move brows, nose and eyes of a shape (68, 2) that lie outside the face to its border, in place, as in a head that looks aside."""
    centre = points[27:36].mean(axis=0)
    inner = slice(INNER, MOUTH.start)
    off = shape[inner] - centre
    length = np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-6)
    most = reach(outline(points, _FOREHEAD), centre, off / length)[:, None] - _BORDER
    shape[inner] = centre + off * np.minimum(1.0, np.maximum(most, 1.0) / length)


def _follow_expression(bank: Portraits, shape: NDArray[np.float64], points: NDArray[np.float64]) -> None:
    """Move the lids and the lips of a shape (68, 2) as those of the face are, in place."""
    for lids in EYES:
        _follow_lids(shape[lids], points[lids])
    # Most portraits smile, and most people who speak or frown do not.
    shape[MOUTH] = bank.shapes.with_expression(shape[MOUTH], points[MOUTH])
    _follow_lips(shape[MOUTH], points[MOUTH])


def _follow_lids(eye: NDArray[np.float64], own: NDArray[np.float64]) -> None:
    """Shut an eye (6, 2) as far as another one is shut, in place. How wide eyes are open differs between people, and stays."""
    ratio = (_opening(own) / _width(own)) / max(_opening(eye) / _width(eye), 1e-3)
    if ratio < _SHUT:
        _stretch(eye, eye[0], eye[3], max(ratio / _SHUT, 0.15))


def _follow_lips(mouth: NDArray[np.float64], own: NDArray[np.float64]) -> None:
    """Open a mouth (20, 2), lips outside and inside, as far as another one is, in place."""
    scale = _width(mouth[:7]) / _width(own[:7])
    off = scale * gap(own) - gap(mouth)
    off = float(np.sign(off)) * max(0.0, abs(off) - _SAME_GAP)
    down = _across(mouth[0], mouth[6])
    # Outer and inner lower lip: most in the middle, nothing at the corners.
    for lip, share in ((slice(7, 12), (0.5, 0.9, 1.0, 0.9, 0.5)), (slice(17, 20), (0.8, 1.0, 0.8))):
        mouth[lip] += np.outer(share, down) * off


def _width(part: NDArray[np.float64]) -> float:
    """From the first to the opposite corner of an eye (6, 2), or of a mouth's upper outline (7, 2)."""
    return max(1.0, float(np.linalg.norm(part[3 if len(part) == 6 else 6] - part[0])))


def _across(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2,) of length one, at right angles to the way from ``a`` to ``b``, downward in an upright face."""
    along = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
    return np.array([-along[1], along[0]])


def _stretch(part: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], factor: float) -> None:
    """Scale points (N, 2) across the line from ``a`` to ``b``, in place."""
    across = _across(a, b)
    off = (part - (a + b) / 2) @ across
    part += np.outer(off * (factor - 1), across)


def _opening(eye: NDArray[np.float64]) -> float:
    """Mean distance of the lids of an eye (6, 2)."""
    return float(np.linalg.norm(eye[1] - eye[5]) + np.linalg.norm(eye[2] - eye[4])) / 2


def shown_of(points: NDArray[np.float64], picture: Image, maps: Field) -> Field:
    """(128, 128): where a portrait (128, 128, 3) with landmarks (68, 2) shows its face, in the shape that ``maps`` leads to."""
    return _moved(clear_of_hair(points, picture), maps)


def _moved(mask: Field, maps: Field) -> Field:
    """A mask (128, 128) whose values come from where ``maps`` (128, 128, 2) says, and 0 from outside."""
    return np.asarray(
        cv2.remap(mask, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0.0), np.float32
    )
