"""Brows and lips of a new face in the shades of the photo's: black brows in a fair face show, and so do red lips in a pale one."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.fill import TAIL, continued, long_brows
from deid.compositing.skin import darkness, lightness_of
from deid.core.temporal import held, steadied
from deid.core.types import Image, Steady
from deid.imaging.geometry import averaged, scaled
from deid.imaging.template import BROWS, SIZE, around_brow, filled

Field = NDArray[np.float32]
Points = NDArray[np.float64]

#: How far above and below its landmarks a brow reaches at most, and how soft its border is, in pixels of 128.
_REACH, _SOFT = 4.0, 1.5
#: A brow is made fainter by this share at most. One that is less dark (Lab, 0 to 100) than the second number is no brow to compare with,
#: and so is one of the photo's of which less than the last share is seen.
_MOST, _LEAST_DARK, _CLEAR = 0.6, 3.0, 0.6
#: Its colour goes to that of the skin by so many times the share, at first: black hair made fainter would be grey.
_FAIR = 3.0
#: Lips of fewer pixels (of 128) have no colour that counts; how far off (in grey levels) they may be, and how much of what is beyond they
#: may be shifted; how soft their border is, and how often it is added: lips are thin.
_LEAST_LIPS, _UNSEEN, _MOST_OFF, _LIPS_SOFT, _LIPS_FULL = 24.0, 20.0, 40.0, 1.0, 1.4

#: In a video both are measured anew after so many keyframes: brows and lips of a few pixels are read differently in each frame.
_KEYFRAMES = 8


def match_shades(face: Field, points: Points, crop: Image, own: Points, seen: NDArray[np.bool_], steady: Steady | None = None) -> Field:
    """A new face whose brows are no darker beside its skin than the photo's, and whose lips have the colour of the photo's.

    Args:
        face: (n, n, 3) the new face, in [0, 255].
        points: (68, 2) its landmarks in pixels of 128.
        crop: (128, 128, 3) uint8, the photo.
        own: (68, 2) landmarks of the photo.
        seen: (128, 128), where nothing stands before the photo's face, glasses neither.
        steady: in a video, what keeps brows and lips from flickering.
    """
    n, old = face.shape[0], crop.astype(np.float32)
    small = averaged(face, SIZE)
    fainter = _fainter_brows(small, points, old, own, seen, steady)
    return np.asarray(face + scaled(fainter + _lips(small, points, old, own, seen, steady), n), np.float32)


def _fainter_brows(small: Field, points: Points, old: Field, own: Points, seen: NDArray[np.bool_], steady: Steady | None) -> Field:
    """What to add to a new face (128, 128, 3); arguments as for `match_shades`."""
    brows = [around_brow(own[part]) for part in BROWS]
    clear = [brow for brow in brows if float((brow * seen).sum()) >= _CLEAR * max(float(brow.sum()), 1.0)]
    if not clear:
        return np.zeros_like(small)
    new, photo = lightness_of(small), lightness_of(old)

    def too_dark() -> NDArray[np.float64]:
        dark = np.array([darkness(new, around_brow(points[part])) for part in BROWS])
        # One wish for both: one may lie in a shadow, or under hair.
        wanted = np.mean([darkness(photo, brow) for brow in clear])
        return np.where(dark > _LEAST_DARK, np.clip(1 - wanted / np.maximum(dark, _LEAST_DARK), 0, _MOST), 0.0)

    shares = steadied(steady, "brows", held(steady, "too dark", too_dark, _KEYFRAMES), 0.15)
    whole = long_brows(points, TAIL)
    each = [np.float32(s) * around_brow(brow, _REACH) for s, brow in zip(shares, whole, strict=True)]
    share = np.asarray(cv2.GaussianBlur(np.maximum(*each), (0, 0), _SOFT), np.float32)[..., None]
    apart = np.maximum(*[around_brow(brow, 2 * _REACH) for brow in whole])
    skin = continued(small, 1 - apart) - small
    grey = np.asarray(cv2.cvtColor(skin, cv2.COLOR_RGB2GRAY), np.float32)[..., None]
    return np.asarray(share * grey + (1 - (1 - share) ** _FAIR) * (skin - grey), np.float32)


def _lips(small: Field, points: Points, old: Field, own: Points, seen: NDArray[np.bool_], steady: Steady | None) -> Field:
    """What to add to a new face (128, 128, 3); arguments as for `match_shades`."""
    there, here = _between_outlines(points), _between_outlines(own) * seen

    def apart() -> NDArray[np.float64]:
        if min(there.sum(), here.sum()) < _LEAST_LIPS:
            return np.zeros(3)
        off = np.median(old[here > 0.5], axis=0) - np.median(small[there > 0.5], axis=0)
        far = max(float(np.linalg.norm(off)), 1e-6)
        return np.asarray(off * (np.clip(far - _UNSEEN, 0, _MOST_OFF) / far), np.float64)

    off = steadied(steady, "lips", held(steady, "lips apart", apart, _KEYFRAMES), 4.0)
    soft = np.minimum(_LIPS_FULL * cv2.GaussianBlur(there, (0, 0), _LIPS_SOFT), 1)
    return np.asarray(soft[..., None] * off, np.float32)


def _between_outlines(points: Points) -> Field:
    """(128, 128): 1 on the lips, without what is between them."""
    return np.asarray(np.clip(filled(points[48:60]) - filled(points[60:68]), 0, 1), np.float32)
