"""Brows and lips of a new face in the shades of the subject's: black brows in a fair face show, and so do red lips in a pale one."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.fill import TAIL, continued, long_brows
from deid.compositing.skin import dark_brows
from deid.core.temporal import held, steadied
from deid.core.types import AlignedFace, Steady
from deid.imaging.geometry import averaged, scaled
from deid.imaging.template import BROWS, SIZE, around_brow, filled

Field = NDArray[np.float32]
Points = NDArray[np.float64]

#: How far above and below its landmarks a brow reaches at most, and how soft its border is, in pixels of 128.
_REACH, _SOFT = 4.0, 1.5
#: A brow is made fainter, and darker, by these shares of how dark it is at most, and may be off by the third. One that is less dark than
#: the last number (a share of the skin's lightness) is no brow to begin with.
_FAINTER, _DARKER, _FREE, _LEAST_DARK = 0.6, 0.8, 0.2, 0.06
#: Its colour goes to that of the skin by so many times the share, at first: black hair made fainter would be grey.
_FAIR = 3.0
#: Lips of fewer pixels (of 128) have no colour that counts; how far off (in grey levels) they may be, and how much of what is beyond they
#: may be shifted; how soft their border is, and how often it is added: lips are thin.
_LEAST_LIPS, _UNSEEN, _MOST_OFF, _LIPS_SOFT, _LIPS_FULL = 24.0, 20.0, 40.0, 1.0, 1.4

#: In a video both are measured anew after so many keyframes: brows and lips of a few pixels are read differently in each frame.
_KEYFRAMES = 8


def match_shades(face: Field, points: Points, subject: AlignedFace, seen: NDArray[np.bool_]) -> Field:
    """A new face with brows as dark beside its skin as the subject's, and with lips of the colour of the photo's.

    Args:
        face: (n, n, 3) the new face, in [0, 255].
        points: (68, 2) its landmarks in pixels of 128.
        subject: the face in the photo, with landmarks.
        seen: (128, 128), where nothing stands before that face, glasses neither.
    """
    small = averaged(face, SIZE)
    off = _lips(small, points, subject, seen)
    if subject.brows is not None:
        off = off + _brows(small, points, subject.brows, subject.steady)
    return np.asarray(face + scaled(off, face.shape[0]), np.float32)


def _brows(small: Field, points: Points, wanted: float, steady: Steady | None) -> Field:
    """What to add to a new face (128, 128, 3) for brows that are darker than the skin by a share; other arguments as for `match_shades`."""

    def too_dark() -> NDArray[np.float64]:
        dark = dark_brows(small, [around_brow(points[part]) for part in BROWS])
        near = np.clip(dark, (1 - _FREE) * wanted, (1 + _FREE) * wanted)
        return np.where(dark > _LEAST_DARK, np.clip(1 - near / np.maximum(dark, _LEAST_DARK), -_DARKER, _FAINTER), 0.0)

    shares = steadied(steady, "brows", held(steady, "too dark", too_dark, _KEYFRAMES), 0.15)
    whole = long_brows(points, TAIL)
    each = [np.float32(s) * around_brow(brow, _REACH) for s, brow in zip(shares, whole, strict=True)]
    share = np.asarray(cv2.GaussianBlur(each[0] + each[1], (0, 0), _SOFT), np.float32)[..., None]
    apart = np.maximum(*[around_brow(brow, 2 * _REACH) for brow in whole])
    skin = continued(small, 1 - apart) - small
    grey = np.asarray(cv2.cvtColor(skin, cv2.COLOR_RGB2GRAY), np.float32)[..., None]
    fair = np.where(share > 0, 1 - (1 - np.maximum(share, 0)) ** _FAIR, share)
    return np.asarray(share * grey + fair * (skin - grey), np.float32)


def _lips(small: Field, points: Points, subject: AlignedFace, seen: NDArray[np.bool_]) -> Field:
    """What to add to a new face (128, 128, 3); arguments as for `match_shades`."""
    assert subject.points is not None
    old, steady = subject.crop, subject.steady
    there, here = _between_outlines(points), _between_outlines(subject.points) * seen

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
