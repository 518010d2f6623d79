"""Pictures of attributes: the mean of faces with an attribute less the mean of faces without it.

A judge that tells a generator whether an attribute is seen is met with dots that only judges read. A picture of the wanted
edit cannot be: D. Rowland, D. Perrett, "Manipulating facial appearance through shape and color", IEEE CG&A 1995.
"""

import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES
from deid.core.types import Image
from deid.editing.thin_plate import warp_to, yaw
from deid.training.data import FaceData

_MALE, _GLASSES, _NO_BEARD = (ATTRIBUTES.index(a) for a in ("Male", "Eyeglasses", "No_Beard"))
#: Landmarks of the inner lips that lie one above the other.
_UPPER_LIP, _LOWER_LIP = [61, 62, 63], [67, 66, 65]
#: Shares of the faces that look to their right and ahead; the rest looks to its left. Each third has prototypes of its own.
_TURNED = (0.2, 0.8)
#: Middle and half axes (x, y) of what belongs to a head in an aligned crop, and how far beyond the axes it fades out: those who
#: have an attribute also stand before other walls.
_MIDDLE, _AXES, _FADE = (64.0, 60.0), (46.0, 58.0), 0.35


class Prototypes:
    """Differences of mean faces, by how far the head is turned.

    Args:
        data: faces with labels for all attributes (0 or 1).
        points: (N, 68, 2) their landmarks.
    """

    def __init__(self, data: FaceData, points: NDArray[np.float64]) -> None:
        turned = np.array([yaw(p) for p in points])
        self._edges = np.quantile(turned, _TURNED)
        kinds = np.digitize(turned, self._edges)
        shapes = [points[kinds == k].mean(axis=0) if (kinds == k).any() else points.mean(axis=0) for k in range(len(_TURNED) + 1)]
        self._shapes = np.stack(shapes)
        self._colours = np.zeros((len(shapes), len(ATTRIBUTES), *data.crops.shape[1:]), np.float32)
        self._moves = np.zeros((len(shapes), len(ATTRIBUTES), *points.shape[1:]))
        for k, shape in enumerate(shapes):
            self._learn(k, shape, data.where(kinds == k), points[kinds == k])

    def _learn(self, kind: int, shape: NDArray[np.float64], data: FaceData, points: NDArray[np.float64]) -> None:
        """Means of faces turned alike, moved to one shape.

        Those who have an attribute are compared with others of their gender and data set, or the difference would show
        these. A group counts as much as the smaller of its two sides.
        """
        warped = np.stack([warp_to(c, p, shape) for c, p in zip(data.crops, points, strict=True)]) if len(data) else data.crops
        for j in range(len(ATTRIBUTES)):
            plain = (data.labels[:, _GLASSES] == 0) | (j == _GLASSES)
            groups = [plain & (data.sources == s) for s in np.unique(data.sources)]
            if j == _MALE:
                # Beards have prototypes of their own: with them, women would come back from a man with a dark upper lip.
                groups = [g & (data.labels[:, _NO_BEARD] > 0) for g in groups]
            else:
                groups = [g & (data.labels[:, _MALE] == male) for g in groups for male in (0, 1)]
            total = 0
            for group in groups:
                has, has_not = group & (data.labels[:, j] > 0), group & (data.labels[:, j] == 0)
                weight = min(has.sum(), has_not.sum())
                if weight:
                    total += weight
                    self._colours[kind, j] += weight * (_mean(warped[has]) - _mean(warped[has_not]))
                    self._moves[kind, j] += weight * (points[has].mean(axis=0) - points[has_not].mean(axis=0))
            self._colours[kind, j] *= _window()[..., None] / max(1, total)
            self._moves[kind, j] /= max(1, total)

    def change(self, crop: Image, points: NDArray[np.float64], amounts: NDArray[np.float64]) -> Image:
        """A crop (128, 128, 3) with more or less of each attribute.

        Args:
            crop: the face.
            points: (68, 2) its landmarks.
            amounts: (13,) how many times the difference of the means is added; below 0 it is taken away.
        """
        kind = int(np.digitize(yaw(points), self._edges))
        shape = _shut(points + np.tensordot(amounts, self._moves[kind], axes=1))
        colours = np.tensordot(amounts.astype(np.float32), self._colours[kind], axes=1)
        moved = warp_to(crop, points, shape) + warp_to(colours, self._shapes[kind], shape)
        return np.asarray(np.clip(moved, 0, 255).round(), np.uint8)


def _shut(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Landmarks (68, 2) of which no upper lip lies under the lower one: they meet halfway."""
    upper, lower = points[_UPPER_LIP, 1], points[_LOWER_LIP, 1]
    middle, crossed = (upper + lower) / 2, upper > lower
    points[_UPPER_LIP, 1], points[_LOWER_LIP, 1] = np.where(crossed, middle, upper), np.where(crossed, middle, lower)
    return points


def _window() -> NDArray[np.float32]:
    """(128, 128): 1 on a head, 0 where the background is."""
    ys, xs = np.mgrid[:128, :128]
    radius = np.hypot((xs - _MIDDLE[0]) / _AXES[0], (ys - _MIDDLE[1]) / _AXES[1])
    return np.asarray(np.clip(1 - (radius - 1) / _FADE, 0, 1), np.float32)


def _mean(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(crops.mean(axis=0, dtype=np.float64), np.float32)
