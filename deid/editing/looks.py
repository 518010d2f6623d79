"""What a portrait must have in common with a face."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.skin import cheeks, dark_brows
from deid.core.types import Image
from deid.imaging.template import BROWS, around_brow

POSE, LIGHT, SKIN = 7, 36, 3
#: Where `pose` says how a head is held: its turn and its tilt.
HELD = slice(0, 2)
#: Where a row of `Looks.row` has the embedding.
EMBEDDING = slice(-130, -2)


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What a portrait must have in common with a face.

    Args:
        pose: (7,) turn, tilt, mouth (open, width, corners), width of the head and opening of the eyes, weighted by how much a
            mismatch shows.
        light: (36,) a 6 x 6 map of brightness over the face's mean.
        skin: (3,) Lab colour of the cheeks.
        attributes: (13,) probability of each attribute.
        embedding: (128,) dlib's; zeros where unknown.
        male: probability of a man.
        child: probability of a child.
        points: (68, 2) landmarks, which tell the expression; zeros where unknown.
        brows: by which share brows are darker than the skin beside them, see `contrast`; 0 where unknown.
        second: (D,) a second recogniser's embedding; empty where unknown.
    """

    pose: NDArray[np.float64]
    light: NDArray[np.float64]
    skin: NDArray[np.float64]
    attributes: NDArray[np.float64]
    embedding: NDArray[np.float64]
    male: float
    child: float
    points: NDArray[np.float64] = field(default_factory=lambda: np.zeros((68, 2)))
    brows: float = 0.0
    second: NDArray[np.floating] = field(default_factory=lambda: np.zeros(0, np.float32))

    @classmethod
    def of(
        cls,
        crop: Image,
        points: NDArray[np.float64],
        attributes: NDArray[np.floating],
        embedding: NDArray[np.floating] | None,
        male: float,
        child: float,
        second: NDArray[np.floating] | None = None,
    ) -> "Looks":
        """From an aligned crop (128, 128, 3) with landmarks (68, 2), and what classifiers and recognisers read of it."""
        who = np.zeros(128) if embedding is None else np.asarray(embedding, np.float64)
        return cls(
            pose(points),
            light(crop),
            cheeks(crop, points),
            np.asarray(attributes, np.float64),
            who,
            male,
            child,
            points,
            contrast(crop, points),
            np.zeros(0, np.float32) if second is None else second,
        )

    def row(self) -> NDArray[np.float32]:
        """All of it but landmarks, brows and the second embedding as one row, as a bank keeps it."""
        parts = (self.pose, self.light, self.skin, self.attributes, self.embedding, [self.male, self.child])
        return np.concatenate(parts).astype(np.float32)


def pose(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 7) of `Looks` from landmarks (..., 68, 2)."""
    x, y = points[..., 0], points[..., 1]

    def apart(a: int, b: int) -> NDArray[np.float64]:
        return np.hypot(x[..., a] - x[..., b], y[..., a] - y[..., b])

    eyes, chin = y[..., 36:48].mean(axis=-1), y[..., 8]
    turned = (x[..., 30] - x[..., 0]) / np.maximum(1.0, x[..., 16] - x[..., 0])
    parts = [
        10 * (turned - 0.5),
        7.5 * ((y[..., 30] - eyes) / np.maximum(1.0, chin - eyes) - 0.42),
        np.minimum(apart(66, 62), 12.0) / 2.5,
        4.5 * (apart(54, 48) / 36 - 1),
        (y[..., 48] + y[..., 54] - 2 * y[..., 57]) / 12,
        2 * (apart(16, 0) / 100 - 1),
        (apart(37, 41) + apart(38, 40) + apart(43, 47) + apart(44, 46)) / 4 / 8,
    ]
    return np.stack(parts, axis=-1)


def light(crop: Image) -> NDArray[np.float64]:
    """(36,) of `Looks` from an aligned crop (128, 128, 3)."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.resize(cv2.GaussianBlur(grey, (0, 0), 6)[44:116, 38:90], (6, 6), interpolation=cv2.INTER_AREA)
    return np.asarray(small / max(8.0, float(small.mean())), np.float64).ravel()


def contrast(crop: Image, points: NDArray[np.float64]) -> float:
    """By which share of lightness the brows of an aligned crop (128, 128, 3), landmarks (68, 2), are darker than the skin beside them."""
    return float(dark_brows(crop.astype(np.float32), [around_brow(points[part]) for part in BROWS]).mean())
