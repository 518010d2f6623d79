"""Glasses of a photo and a new face: they are taken off before it is fitted, and then worn again, whole or not at all."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.blend import TO_HAIRLINE, outline, shrunk
from deid.compositing.fill import continued
from deid.compositing.objects import with_border
from deid.core.remembered import remembered
from deid.core.types import AlignedFace, Image
from deid.imaging.geometry import averaged, scaled
from deid.imaging.template import SIZE, disc, filled

Field = NDArray[np.float32]

#: From this probability on a pixel is the frame's when glasses are taken off, with so much around it, in pixels of 128: edges are half
#: skin. Holes in a frame up to about twice the last number are closed.
_PART, _EDGE, _HOLES = 0.25, 1.2, 1.6
#: So far around a lens, in pixels of 128, its rim is, and so far around a frame its shadow and shine. A far rim stands out so far from
#: behind a head whose nose lies nearer to that side than this share of the head's width.
_RIM, _SHINE, _STANDS_OUT, _FAR = 4.0, 1.5, 12.0, 0.4
#: So many pixels beside a rim tell what lies behind it. It is as thick, in pixels of 128, unlike that by so many grey levels, and has so
#: many pixels (of 128) in a row.
_BESIDE, _THICK, _UNLIKE, _LEAST_RIM = 3, 2.0, 12.0, 8.0
#: Grain is what is finer than this, taken from so far below, in pixels of 128, and at most so many times the usual: edges are no grain.
_GRAIN, _BELOW, _MOST_GRAIN = 0.5, 18, 3.0
#: So far around a frame beyond the face, in pixels of 128, lie the ends of its arms and hinges.
_ENDS = 2.5
#: So far around a place beyond the face, in pixels of 128, what is there tells what goes on behind glasses.
_CONTINUED = 3.0
#: A frame hides what is behind it by so many times its probability, less this: of thin rims the network is half sure.
_SURE, _DOUBT = 3.0, 0.3
#: Lenses that let less than this of the light through are dark, and stay so; what is coarser than this, in pixels of 128, is their tint.
_DARK, _TINT = 0.72, 5.0


def without(face: AlignedFace) -> AlignedFace:
    """The same face without its glasses, and without what stands before it: the face goes on there."""
    if face.large is None or face.points is None or (face.glasses is None and face.objects is None):
        return face
    large = face.large
    if face.objects is not None:
        large = _bare(large, with_border(face.objects), np.zeros_like(face.objects), face.points)
    if face.glasses is not None:
        large = _bare(large, face.glasses.frame, face.glasses.lenses, face.points)
    return replace(face, crop=shrunk(large), large=large, glasses=None, objects=None)


def under_glasses(face: AlignedFace) -> NDArray[np.bool_]:
    """(128, 128): where a frame or dark lenses hide a face."""
    if face.large is None or face.points is None or face.glasses is None:
        return np.zeros((SIZE, SIZE), bool)
    return _hidden(face.large, face.glasses.frame, face.glasses.lenses, face.points)


@remembered(4)
def _hidden(photo: Image, frame: Field, lenses: Field, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """`under_glasses` by these masks (n, n): the same for each new face that is tried."""
    hidden = _part(frame)
    if _dark_lenses(photo, frame, lenses, points) is not None:
        hidden = np.maximum(hidden, (lenses > 0.3).astype(np.uint8))
    return np.asarray(cv2.resize(hidden.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA) > 0.25, np.bool_)


@remembered(4)
def _bare(photo: Image, frame: Field, lenses: Field, points: NDArray[np.float64]) -> Image:
    """A crop (n, n, 3) without the glasses of these masks (n, n), on a face with these landmarks (68, 2)."""
    smooth, part = _smooth(photo, frame, lenses, points), _part(frame)
    if _dark_lenses(photo, frame, lenses, points) is not None:
        # Eyes behind dark lenses are no eyes to be fitted to.
        return np.asarray(np.clip(smooth, 0, 255).round(), np.uint8)
    share = np.maximum(part, cv2.GaussianBlur(part.astype(np.float32), (0, 0), 0.4 * len(photo) / SIZE))[..., None]
    return np.asarray(np.clip(photo + share * (smooth - photo), 0, 255).round(), np.uint8)


@remembered(4)
def _smooth(photo: Image, frame: Field, lenses: Field, points: NDArray[np.float64]) -> Field:
    """A crop (n, n, 3) that continues what lies around its glasses, behind which the eyes are dark.

    The face continues the face, and what is beyond it, hair or a wall, the like: in a turned head a far lens lies over both.
    """
    k, glasses = len(photo) / SIZE, np.maximum(_part(frame), (lenses > 0.3).astype(np.uint8))
    known, shown = (1 - _grown(glasses, k)).astype(np.float32), photo.astype(np.float32)
    # With the grain of what lies below.
    grain = (shown - cv2.GaussianBlur(shown, (0, 0), _GRAIN * k)) * known[..., None]
    face = _face(points, len(photo))
    most = _MOST_GRAIN * float(np.median(np.abs(grain[face > 0.5]))) if (face > 0.5).any() else 0.0
    below = np.clip(np.roll(grain, -round(_BELOW * k), axis=0), -most, most)
    inside = continued(shown, np.asarray(known * (face > 0.5), np.float32))
    # From the nearest borders inward: hair goes on as hair and a wall as a wall, and in between runs the border of the head.
    beyond = cv2.inpaint(photo, (known < 0.5).astype(np.uint8), _CONTINUED * k, cv2.INPAINT_TELEA).astype(np.float32)
    # Hair and walls have edges there, which would be specks.
    return np.asarray(beyond + face[..., None] * (inside + below - beyond), np.float32)


def in_glasses(new: Field, face: AlignedFace) -> Field:
    """A new face (n, n, 3) behind the glasses of a face that wears some, at the crop's scale or a smaller one."""
    assert face.glasses is not None
    assert face.large is not None
    assert face.points is not None
    worn = _worn(face.large, face.glasses.frame, face.glasses.lenses, face.points)
    frame, worn = averaged(worn[..., :1] * face.large, len(new)), averaged(worn, len(new))
    return np.asarray(frame + (1 - worn[..., :1]) * (new * worn[..., 1:]), np.float32)


@remembered(4)
def _worn(photo: Image, frame: Field, lenses: Field, points: NDArray[np.float64]) -> Field:
    """(n, n, 4) in [0, 1]: how much the frame hides of what is behind glasses, see `_bare`, and how much of each colour of the light comes
    through their lenses."""
    dark = _dark_lenses(photo, frame, lenses, points)
    hides = np.clip(_SURE * _closed(frame) - _DOUBT, 0, 1)[..., None]
    return np.concatenate([hides, np.ones(photo.shape, np.float32) if dark is None else dark], axis=2)


def worn_again(new: Field, mask: Field, face: AlignedFace, wanted: bool) -> tuple[Field, Field]:
    """A new face (n, n, 3) behind the photo's glasses; where those are not wanted or not whole, the photo around it is without them.

    Args:
        new: RGB in [0, 255], as it is pasted.
        mask: (n, n) how much of it shows.
        face: the photo's.
        wanted: whether it is to wear them.

    Returns:
        The same two for what is to be pasted.
    """
    if face.glasses is None or face.large is None or face.points is None:
        return new, mask
    if wanted and face.glasses.whole:
        # The frame is a part of what is pasted, and not left out of it: in a video it then moves with the new face.
        return in_glasses(new, face), mask
    bare, part = _taken_off(face.large, face.glasses.frame, face.glasses.lenses, face.points)
    soft = cv2.GaussianBlur(part, (0, 0), max(0.6, 0.5 * len(part) / SIZE))
    alpha = np.asarray(np.maximum(mask, np.maximum(part, soft)), np.float32)
    share = (mask / np.maximum(alpha, 1e-3))[..., None]
    return np.asarray(share * new + (1 - share) * bare, np.float32), alpha


def _taken_off(photo: Image, frame: Field, lenses: Field, points: NDArray[np.float64]) -> tuple[Field, Field]:
    """A crop (n, n, 3) without the glasses of these masks (n, n), rims included, and where (n, n) it differs; as for `_bare`."""
    k, part = len(photo) / SIZE, _part(frame)
    rims = np.maximum(_grown((lenses > 0.5).astype(np.uint8), _RIM * k), _grown(part, _SHINE * k))
    rims = np.maximum(rims, _grown(part, _ENDS * k) * (_face(points, len(photo)) < 0.5).astype(np.uint8))
    smooth = _smooth(photo, frame, np.maximum(lenses, rims.astype(np.float32)), points)
    behind, shown = _behind_head(photo, lenses, points)
    bare = np.where(((rims > 0) & (part == 0))[..., None], smooth, _bare(photo, frame, lenses, points))
    bare = bare + shown[..., None] * (behind - bare)
    return np.asarray(bare, np.float32), np.asarray(np.maximum(np.maximum(part, rims), shown > 0.5), np.float32)


def _behind_head(photo: Image, lenses: Field, points: NDArray[np.float64]) -> tuple[Field, Field]:
    """What lies behind a turned head with landmarks (68, 2), where the rim of its far lens stands out: no frame is found there.

    Returns:
        A crop (n, n, 3) in which the photo goes on from beside the rim, and where (n, n) it is to be shown, soft.
    """
    k, middle = len(photo) / SIZE, len(photo) // 2
    shown, where = photo.astype(np.float32), np.zeros(photo.shape[:2], np.float32)
    for side, jaw, step in ((np.s_[:, :middle], points[:9], -1), (np.s_[:, middle:], points[16:7:-1], 1)):
        rows = np.flatnonzero((lenses[side] > 0.5).any(axis=1))
        if not len(rows) or step * (jaw[0, 0] - points[30, 0]) >= _FAR * abs(points[16, 0] - points[0, 0]):
            continue
        border = float(np.interp(rows.mean() / k, jaw[:, 1], jaw[:, 0]))
        beside = round(k * (border + step * _STANDS_OUT))
        if not _BESIDE <= beside < len(photo) - _BESIDE:
            continue
        tall = np.s_[max(0, rows[0] - round(_RIM * k)) : rows[-1] + round(_RIM * k) + 1]
        wide = np.s_[beside:middle] if step < 0 else np.s_[middle : beside + 1]
        edge = shown[tall, beside - _BESIDE : beside + 1] if step < 0 else shown[tall, beside : beside + _BESIDE + 1]
        shown[tall, wide], where[tall, wide] = edge.mean(axis=1, keepdims=True), 1
    if not where.any():
        return shown, where
    # The head itself, and a wall with a pattern, are no thin lines.
    face = _face(points, len(photo))
    stands_out = np.maximum(np.abs(photo - shown).max(axis=2) > _UNLIKE, face > 0.5).astype(np.uint8)
    thin = where * (stands_out - cv2.morphologyEx(stands_out, cv2.MORPH_OPEN, disc(_THICK * k)))
    lines = _longer((thin > 0).astype(np.uint8), _LEAST_RIM * k * k)
    rim = cv2.GaussianBlur(_grown(lines, _EDGE * k).astype(np.float32), (0, 0), 0.4 * k)
    return shown, np.asarray(rim * (1 - face), np.float32)


def _longer(thin: NDArray[np.uint8], least: float) -> NDArray[np.uint8]:
    """Lines (n, n) without those of fewer pixels: corners of a head and of what is behind it."""
    _, parts, facts, _ = cv2.connectedComponentsWithStats(thin, connectivity=8)
    return np.asarray(thin * (facts[:, cv2.CC_STAT_AREA] >= least)[parts], np.uint8)


def _face(points: NDArray[np.float64], n: int) -> Field:
    """(n, n) in [0, 1]: 1 inside the outline of a face with landmarks (68, 2), up to the hair, and no wider than its jaw line."""
    face = filled(outline(points, TO_HAIRLINE))
    # Above a turned head's far cheek, the outline's hull leans out over what is behind it.
    left, right = np.clip(np.round([points[:17, 0].min(), points[:17, 0].max() + 1]).astype(int), 0, SIZE)
    face[:, :left], face[:, right:] = 0, 0
    return scaled(face, n)


def _closed(frame: Field) -> Field:
    """A frame without the holes that it has where it turns to the light."""
    return np.asarray(cv2.morphologyEx(frame, cv2.MORPH_CLOSE, disc(_HOLES * len(frame) / SIZE)), np.float32)


def _part(frame: Field) -> NDArray[np.uint8]:
    """(n, n): 1 where something of a frame is, and a little around it."""
    return _grown((_closed(frame) > _PART).astype(np.uint8), _EDGE * len(frame) / SIZE)


def _dark_lenses(photo: Image, frame: Field, lenses: Field, points: NDArray[np.float64]) -> Field | None:
    """(n, n, 3): how much of the light comes through the lenses of a crop, landmarks (68, 2); None for clear ones."""
    behind = np.asarray((lenses > 0.5) & (_part(frame) == 0), np.float32)
    if not behind.any():
        return None
    through = _through(photo.astype(np.float32), _smooth(photo, frame, lenses, points), behind, _TINT * len(photo) / SIZE)
    if float(np.median(through[behind > 0])) >= _DARK:
        return None
    return np.asarray(1 + _soft(lenses)[..., None] * (through - 1), np.float32)


def _through(photo: Field, smooth: Field, behind: Field, sigma: float) -> Field:
    """(n, n, 3) in [0, 1]: how much of the light comes through lenses (n, n), continued to all sides."""
    seen, whole = (np.stack([cv2.GaussianBlur(a[..., c] * behind, (0, 0), sigma) for c in range(3)], axis=2) for a in (photo, smooth))
    known = np.asarray(cv2.GaussianBlur(behind, (0, 0), sigma) > 0.2, np.float32)
    return continued(np.asarray(np.clip(seen / np.maximum(whole, 1e-3), 0, 1), np.float32), known)


def _soft(lenses: Field) -> Field:
    """(n, n) in [0, 1]: lenses without holes and specks, with a soft border."""
    k, shape = len(lenses) / SIZE, (lenses > 0.5).astype(np.uint8)
    for tidy in (cv2.MORPH_CLOSE, cv2.MORPH_OPEN):
        shape = np.asarray(cv2.morphologyEx(shape, tidy, disc(3 * k)), np.uint8)
    return np.asarray(cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 0.8 * k), np.float32)


def _grown(where: NDArray[np.uint8], by: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.dilate(where, disc(by)), np.uint8)
