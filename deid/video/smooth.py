"""Landmarks of one face, smoothed over time: jitter is removed, motion is followed.

G. Casiez, N. Roussel, D. Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems", CHI 2012.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Image
from deid.editing.shapes import MOUTH
from deid.imaging import geometry

#: Cutoff at rest and its growth with speed, in cycles a frame; speeds are in face widths a frame.
_AT_REST, _WITH_SPEED = 0.03, 4.0
#: Lips move faster than other features: so many times are their cutoffs. A mouth that opens is followed two frames later.
_OF_MOUTH = 3.0
#: Cutoff of the speed itself.
_OF_SPEED = 0.2
#: The head's motion is read at a scale at which a face is at most so wide, in pixels, from so much of the picture around it, in widths.
_WIDE, _AROUND = 120.0, 0.15
#: A smaller part of a picture, in pixels at that scale, shows no motion.
_LEAST_SIDE = 8
#: Landmarks between these numbers move with the head: brows, nose and eyes.
_OF_HEAD = slice(17, 48)
#: So many of them are followed at least, back to where they came from within so many pixels.
_LEAST_FOLLOWED, _BACK = 12, 0.5
#: The landmarks may say otherwise by so much of the face's width: more, and it is not the head that was followed.
_OTHERWISE = 0.04


class _Patch(NamedTuple):
    """The surroundings of a face in one frame.

    Args:
        grey: (h, w) uint8.
        box: (4,) where it was in the frame.
        scale: its pixels in one of the frame's.
    """

    grey: NDArray[np.uint8]
    box: NDArray[np.float64]
    scale: float

    @classmethod
    def of(cls, image: Image, box: NDArray[np.float64], scale: float) -> "_Patch | None":
        """None for a box outside of a frame (H, W, 3); what of it lies inside is taken."""
        rows, columns = geometry.box_to_slices(box, image.shape[:2])
        if min(rows.stop - rows.start, columns.stop - columns.start) * scale < _LEAST_SIDE:
            return None
        grey = cv2.cvtColor(np.ascontiguousarray(image[rows, columns]), cv2.COLOR_RGB2GRAY)
        if scale < 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return cls(np.asarray(grey, np.uint8), np.array([columns.start, rows.start, columns.stop, rows.stop], float), scale)


class LandmarkFilter:
    """Follows the landmarks of one track, frame after frame.

    The head's own motion is followed at once, as the pixels of brows, nose and eyes show it: landmarks are not exact enough, and a new
    face that trembles beside its ears is noticed. Only what each point does beside it is smoothed.
    """

    def __init__(self) -> None:
        self._shape: NDArray[np.float64] | None = None
        self._speed: NDArray[np.float64] = np.zeros((68, 2))
        self._patch: _Patch | None = None

    def __call__(self, shape: NDArray[np.float64], image: Image) -> NDArray[np.float64]:
        """Landmarks (68, 2) in pixels of the next frame (H, W, 3), smoothed."""
        width = max(1.0, float(np.ptp(shape[:, 0])))
        if self._shape is None:
            self._shape = shape
        else:
            moved = self._moved(shape, image, width)
            self._speed += _share(_OF_SPEED) * ((shape - moved) / width - self._speed)
            cutoff = _AT_REST + _WITH_SPEED * np.linalg.norm(self._speed, axis=1, keepdims=True)
            cutoff[MOUTH] *= _OF_MOUTH
            self._shape = moved + _share(cutoff) * (shape - moved)
        box = np.concatenate([shape.min(axis=0), shape.max(axis=0)]) + _AROUND * width * np.array([-1, -1, 1, 1])
        self._patch = _Patch.of(image, box, min(1.0, _WIDE / width))
        return self._shape

    def _moved(self, shape: NDArray[np.float64], image: Image, width: float) -> NDArray[np.float64]:
        """The last landmarks (68, 2) where the head has taken them; as the new ones (68, 2) say where it could not be followed."""
        assert self._shape is not None
        moved = None if self._patch is None else _followed(self._patch, self._shape, image)
        off = None if moved is None else np.median(shape - moved, axis=0)
        if moved is None or off is None or np.linalg.norm(off) > _OTHERWISE * width:
            moved = self._shape + np.median(shape - self._shape, axis=0)
        return moved


def _followed(before: _Patch, shape: NDArray[np.float64], image: Image) -> NDArray[np.float64] | None:
    """Landmarks (68, 2) carried from a patch into a frame (H, W, 3) by the motion of the head; None where it was lost."""
    after = _Patch.of(image, before.box, before.scale)
    if after is None or after.grey.shape != before.grey.shape:
        return None
    points = ((shape[_OF_HEAD] - before.box[:2]) * before.scale).astype(np.float32)[:, None]
    flow: Any = cv2.calcOpticalFlowPyrLK
    there, ok, _ = flow(before.grey, after.grey, points, None, winSize=(15, 15), maxLevel=2)
    back, ok_back, _ = flow(after.grey, before.grey, there, None, winSize=(15, 15), maxLevel=2)
    good = (ok & ok_back).ravel().astype(bool) & (np.linalg.norm(points - back, axis=2).ravel() < _BACK)
    if good.sum() < _LEAST_FOLLOWED:
        return None
    matrix: Any = cv2.estimateAffinePartial2D(points[good], there[good], method=cv2.LMEDS)[0]
    if matrix is None:
        return None
    return geometry.apply(matrix, (shape - before.box[:2]) * before.scale) / before.scale + before.box[:2]


def _share(cutoff: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Weight of the newest value in a low-pass filter with a cutoff in cycles a sample."""
    rate = 2 * np.pi * np.asarray(cutoff, np.float64)
    return np.asarray(rate / (rate + 1))
