"""Identity-free stand-ins: portraits in the pose and light of a face, at the photo's own scale.

Of the subject only the outline of the head, the place of the features and the coarse light go in. Eyes, brows, nose and mouth have the
portraits' own shapes, and lie a little farther from the subject's than those would.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.blend import clear_of_hair, face_mask, filled, outline, shrunk, uncovered
from deid.compositing.seam import reach
from deid.core.temporal import steadied
from deid.core.types import Image, StandIn, Steady
from deid.editing.portraits import Portraits
from deid.editing.sampler import FIRST
from deid.editing.shapes import INNER
from deid.editing.thin_plate import maps_to
from deid.imaging.geometry import apply, fit_similarity, scaled
from deid.imaging.template import SIZE

Field = NDArray[np.float32]

#: Features differ from the subject's by so much more than the portraits' do: what is left around a face leads to the subject, and this
#: leads away (weights/EXPERIMENTS.md). How far, is drawn with the portraits' shares: always as far, the way back could be learnt.
_AWAY = (0.7, 1.5)
#: Features stay so far inside the face, in pixels of 128, whose border lies so far above the brows, times their distance to the nose.
_BORDER, _FOREHEAD = 2.0, 0.3
#: A part of a portrait is not counted as smaller or larger than so many times its own area.
_AREAS = (0.05, 20.0)
#: What is coarser than this many pixels of a 128 px crop is the photo's light.
_LIGHT = 20.0
#: Portraits of a mix share what is coarser than this many pixels; all finer detail is the first one's: a mean of two is soft, and brows
#: of two make four.
_TONE = 12.0
_BROWS, _EYES, _MOUTH = (slice(17, 22), slice(22, 27)), (slice(36, 42), slice(42, 48)), slice(48, 68)
#: A portrait's colour (Lab) under this is grey, and not scaled.
_GREY = 2.0
#: An eye of fewer pixels (of 128) has no colour that counts; how much darker or brighter (Lab) one may become for the photo's.
_LEAST_EYE, _EYE_LIGHT = 4.0, (-12.0, 4.0)
#: How far a brow reaches above and below its landmarks, and how often it may be as dark, beside the skin, as the portrait's own: frames of
#: glasses may be darker still. One that is less dark (Lab) than the last number is no brow to compare with.
_BROW, _BROW_CONTRAST, _LEAST_DARK = 2.5, (0.4, 1.15), 3.0
#: What is coarser than this around a brow, in pixels of 128, is skin.
_BESIDE = 6.0
#: An eye counts as shutting under this share of the portrait's opening; mouths are alike that differ by fewer pixels of 128 between the
#: lips; and what is inside of them is the photo's where the portrait's gap is smaller than this share of the subject's.
_SHUT, _SAME_GAP, _TOO_SHUT = 0.7, 1.5, 0.75
#: Lightness (Lab, 0 to 100) over which highlights are rolled off, by how much they may exceed it, and how far light may scale a portrait's.
_BRIGHT, _ROOM, _SCALES = 80.0, 14.0, (0.45, 1.8)


def stand_in(
    bank: Portraits,
    numbers: Sequence[int],
    shares: Sequence[float],
    crop: Image,
    large: Image,
    points: NDArray[np.float64],
    steady: Steady | None = None,
) -> StandIn:
    """A mix of portraits in the pose and the light of a face.

    Args:
        bank: where the portraits are.
        numbers: of the portraits; the first one gives the detail.
        shares: of each in shape and tone; they sum to 1.
        crop: (128, 128, 3) uint8 RGB, the face.
        large: (n, n, 3) the same at the photo's scale, n a multiple of 128.
        points: (68, 2) its landmarks in pixels of ``crop``.
        steady: in a video, what keeps light from flickering.
    """
    shape = shape_for(bank, numbers, shares, points, steady)
    to_photo, *maps = maps_to(shape, points, *(bank.points[i] for i in numbers))
    small = [warped(bank.picture(i), m, SIZE) for i, m in zip(numbers, maps, strict=True)]
    visible = np.minimum.reduce([shown_of(bank, i, m) for i, m in zip(numbers, maps, strict=True)])
    here, within, clear = warped(crop, to_photo, SIZE), face_mask(shape), _moved(uncovered(points, crop), to_photo)
    lights = [light_of(s, here, within * visible, within * clear).steadied(steady, str(i)) for i, s in zip(numbers, small, strict=True)]
    lights[0] = _with_eyes_and_brows(lights[0], small[0], crop, shape, points)
    first, *others = [light.on(s) for light, s in zip(lights, small, strict=True)]
    mixed = sum((np.float32(share) * (other - first) for share, other in zip(shares[1:], others, strict=True)), np.zeros_like(first))
    tone = cv2.GaussianBlur(mixed * visible[..., None], (0, 0), _TONE)
    face = lights[0].on(warped(bank.picture(numbers[0]), maps[0], large.shape[0])) + scaled(np.asarray(tone, np.float32), large.shape[0])
    own = _own_mouth(_gap(shape[_MOUTH]), _gap(bank.points[numbers[0]][_MOUTH]))
    if own > 0:
        # A shut mouth has no teeth to show: what is between the lips says little of anybody.
        between = own * scaled(_between_lips(shape), large.shape[0])[..., None]
        face += between * (warped(large, to_photo, large.shape[0]) - face)
    strain = max(_strain(m, within * visible) for m in maps)
    return StandIn(np.asarray(np.clip(face, 0, 255), np.float32), visible, shape, strain)


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
    _lead_away(shape, points, float(np.interp(shares[0], FIRST, _AWAY)), steady)
    shape[INNER:] = bank.shapes.bounded(shape[INNER:])
    _follow_expression(shape, points)
    _keep_inside(shape, points)
    return shape


def _own_mouth(opened: float, its: float) -> float:
    """How much of what is between the lips is the photo's, in [0, 1], for a mouth that is opened so far and a portrait's own gap."""
    wide = (opened - 2 * _SAME_GAP) / (2 * _SAME_GAP)
    shut = 2 * (1 - its / max(_TOO_SHUT * opened, 1e-6))
    return float(np.clip(min(wide, shut), 0, 1))


def _between_lips(points: NDArray[np.float64]) -> Field:
    """(128, 128) soft: 1 between the lips."""
    return np.asarray(cv2.GaussianBlur(filled(points[60:68]), (0, 0), 0.8), np.float32)


def _with_eyes_and_brows(light: "_Light", small: Field, crop: Image, shape: NDArray[np.float64], points: NDArray[np.float64]) -> "_Light":
    """The light of a portrait (128, 128, 3), with its eyes and brows as dark as the photo's, and its eyes of their colour: blue eyes in a
    dark face show, and so do black brows under white hair.

    Args:
        light: of the portrait.
        small: the portrait in the stand-in's shape.
        crop: (128, 128, 3) the photo.
        shape: (68, 2) landmarks of the stand-in.
        points: (68, 2) the photo's.
    """
    pictures = (light.on(small) / 255, crop.astype(np.float32) / 255)
    new, old = (np.asarray(cv2.cvtColor(a, cv2.COLOR_RGB2LAB), np.float32) for a in pictures)
    lift = light.lift.copy()
    for part in _EYES:
        there, here = _darker_half(new[..., 0], shape[part]), _darker_half(old[..., 0], points[part])
        if min(there.sum(), here.sum()) >= _LEAST_EYE:
            off = np.asarray(_mean(old, here) - _mean(new, there))
            off[0] = np.clip(off[0], *_EYE_LIGHT)
            lift += cv2.GaussianBlur(there, (0, 0), 0.8)[..., None] * off
    # Toward the skin around it, a brow is fainter and keeps its hairs.
    share, skin = _fainter(new[..., 0], old[..., 0], shape, points), coarse(new, 1 - _around(shape), _BESIDE)
    return replace(light, gain=light.gain * (1 - share), lift=lift * (1 - share) + share * skin)


def _fainter(new: Field, old: Field, shape: NDArray[np.float64], points: NDArray[np.float64]) -> Field:
    """(128, 128, 1): by what share each brow of a stand-in has to be fainter, by its lightness and the photo's (128, 128)."""
    share = np.zeros(new.shape, np.float32)
    for part in _BROWS:
        dark, wanted = _darkness(new, shape, part), _darkness(old, points, part)
        if dark > _LEAST_DARK:
            share += (1 - np.clip(wanted / dark, *_BROW_CONTRAST)) * _around(shape, part)
    return np.asarray(cv2.GaussianBlur(share, (0, 0), 1.5)[..., None], np.float32)


def _around(points: NDArray[np.float64], *parts: slice) -> Field:
    """(128, 128): 1 on brows of landmarks (68, 2), all or these."""
    margin = np.array([0.0, _BROW])
    brows = [points[part] for part in parts or _BROWS]
    masks = [filled(np.concatenate([brow - margin, brow[::-1] + margin])) for brow in brows]
    return np.asarray(np.maximum.reduce(masks), np.float32)


def _darkness(lightness: Field, points: NDArray[np.float64], brow: slice) -> float:
    """How much darker the hair of a brow is than the skin above and below it, by lightness (128, 128)."""
    on = _around(points, brow)
    beside = cv2.dilate(on, np.ones((9, 5), np.uint8)) - on
    hair, skin = lightness[on > 0.5], lightness[beside > 0.5]
    return float(np.median(skin) - hair[hair <= np.median(hair)].mean()) if hair.size and skin.size else 0.0


def _darker_half(lightness: Field, part: NDArray[np.float64]) -> Field:
    """(128, 128): the darker half by lightness (128, 128) of an eye (6, 2), its iris and lashes."""
    where = filled(part)
    inside = lightness[where > 0.5]
    return where if inside.size == 0 else np.asarray(where * (lightness <= np.median(inside)), np.float32)


def _mean(image: Field, where: Field) -> NDArray[np.float32]:
    """(C,) mean of an image (128, 128, C) where it counts (128, 128)."""
    return np.asarray((image * where[..., None]).sum(axis=(0, 1)) / where.sum(), np.float32)


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


def _lead_away(shape: NDArray[np.float64], points: NDArray[np.float64], share: float, steady: Steady | None = None) -> None:
    """Move the features of a shape (68, 2) farther from those of the face, in place, by a share of their distance.

    The part that an affine map explains is the pose, and stays. So do the forms of eyes and mouth, which are expression.
    """
    own = np.column_stack([points[INNER:], np.ones(len(points) - INNER)])
    off = np.zeros_like(shape)
    off[INNER:] = shape[INNER:] - own @ np.linalg.lstsq(own, shape[INNER:], rcond=None)[0]
    for part in (*_EYES, _MOUTH):
        off[part] = off[part].mean(axis=0)
    shape += share * steadied(steady, "away", off, 3.0)


def _keep_inside(shape: NDArray[np.float64], points: NDArray[np.float64]) -> None:
    """Move brows, nose and eyes of a shape (68, 2) that lie outside the face to its border, in place, as in a head that looks aside."""
    centre = points[27:36].mean(axis=0)
    inner = slice(INNER, _MOUTH.start)
    off = shape[inner] - centre
    length = np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-6)
    most = reach(outline(points, _FOREHEAD), centre, off / length)[:, None] - _BORDER
    shape[inner] = centre + off * np.minimum(1.0, np.maximum(most, 1.0) / length)


def _follow_expression(shape: NDArray[np.float64], points: NDArray[np.float64]) -> None:
    """Move the lids and the lips of a shape (68, 2) as those of the face are, in place."""
    for lids in _EYES:
        _follow_lids(shape[lids], points[lids])
    _follow_lips(shape[_MOUTH], points[_MOUTH])


def _follow_lids(eye: NDArray[np.float64], own: NDArray[np.float64]) -> None:
    """Shut an eye (6, 2) as far as another one is shut, in place. How wide eyes are open differs between people, and stays."""
    ratio = (_opening(own) / _width(own)) / max(_opening(eye) / _width(eye), 1e-3)
    if ratio < _SHUT:
        _stretch(eye, eye[0], eye[3], max(ratio / _SHUT, 0.15))


def _follow_lips(mouth: NDArray[np.float64], own: NDArray[np.float64]) -> None:
    """Open a mouth (20, 2), lips outside and inside, as far as another one is, in place."""
    scale = _width(mouth[:7]) / _width(own[:7])
    off = scale * _gap(own) - _gap(mouth)
    off = float(np.sign(off)) * max(0.0, abs(off) - _SAME_GAP)
    down = _across(mouth[0], mouth[6])
    # Outer and inner lower lip: most in the middle, nothing at the corners.
    for lip, share in ((slice(7, 12), (0.5, 0.9, 1.0, 0.9, 0.5)), (slice(17, 20), (0.8, 1.0, 0.8))):
        mouth[lip] += np.outer(share, down) * off


def _gap(mouth: NDArray[np.float64]) -> float:
    """How far a mouth (20, 2) is open between the lips."""
    return float(np.linalg.norm(mouth[18] - mouth[14]))


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


def shown_of(bank: Portraits, number: int, maps: Field) -> Field:
    """(128, 128): where a portrait shows its face, in the shape that ``maps`` leads to."""
    own = clear_of_hair(bank.points[number], shrunk(bank.picture(number)))
    return _moved(own, maps)


def _moved(mask: Field, maps: Field) -> Field:
    """A mask (128, 128) whose values come from where ``maps`` (128, 128, 2) says, and 0 from outside."""
    return np.asarray(
        cv2.remap(mask, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0.0), np.float32
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Light:
    """How the light of one picture becomes that of another: smooth fields (128, 128, 3) in Lab.

    Lightness and colours are scaled down, but raised by adding: scaled up, the highlights of a dark skin are white patches on a pale one.
    Shifted down, teeth are blue in a pale face; in a photo in black and white nothing has a colour. In less light colours are fainter too,
    or cheeks and nose have orange edges.
    """

    gain: Field
    lift: Field

    def steadied(self, steady: Steady | None, name: str) -> "_Light":
        return _Light(steadied(steady, f"gain {name}", self.gain, 0.15), steadied(steady, f"lift {name}", self.lift, 8.0))

    def on(self, face: Field) -> Field:
        """A face (n, n, 3) in the new light."""
        n = face.shape[0]
        lab = cv2.cvtColor(np.clip(face, 0, 255) / 255, cv2.COLOR_RGB2LAB) * scaled(self.gain, n) + scaled(self.lift, n)
        lightness = lab[..., 0]
        lab[..., 0] = np.where(lightness > _BRIGHT, _BRIGHT + _ROOM * np.tanh((lightness - _BRIGHT) / _ROOM), lightness)
        return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1) * 255, np.float32)


def light_of(face: Field, here: Field, shown: Field, own: Field) -> _Light:
    """Change from the coarse light of a portrait's face (128, 128, 3) to that of the photo ``here``.

    Args:
        face: the portrait's.
        here: the photo's.
        shown: (128, 128) where the portrait shows skin.
        own: (128, 128) where the photo does; hair before the face is no shadow.
    """
    new, old = (
        coarse(np.asarray(cv2.cvtColor(np.clip(a, 0, 255) / 255, cv2.COLOR_RGB2LAB), np.float32), where)
        for a, where in ((face, shown), (here, own))
    )
    bright = np.clip(old[..., :1] / np.maximum(new[..., :1], 4), *_SCALES)
    dimmed = np.minimum(bright, 1.0)
    gain = np.concatenate([dimmed, dimmed * np.clip(np.abs(old) / np.maximum(new, _GREY), 0.0, 1.0)[..., 1:]], axis=2)
    wanted = np.concatenate([bright * new[..., :1], old[..., 1:]], axis=2)
    return _Light(np.asarray(gain, np.float32), np.asarray(wanted - gain * new, np.float32))


def coarse(image: Field, support: Field, sigma: float = _LIGHT) -> Field:
    """Smooth part of an image (128, 128, 3) inside ``support`` (128, 128); hair and walls outside add nothing."""
    small = [cv2.resize(x, (32, 32), interpolation=cv2.INTER_AREA) for x in (image * support[..., None], support)]
    top, under = (cv2.GaussianBlur(x, (0, 0), sigma / 4) for x in small)
    return np.asarray(cv2.resize(top / (under[..., None] + 1e-3), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), np.float32)
