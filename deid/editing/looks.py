"""What a portrait must have in common with a face."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.skin import cheeks
from deid.core.types import Image
from deid.editing.thin_plate import yaw

POSE, LIGHT, SKIN = 7, 36, 3


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
    """

    pose: NDArray[np.float64]
    light: NDArray[np.float64]
    skin: NDArray[np.float64]
    attributes: NDArray[np.float64]
    embedding: NDArray[np.float64]
    male: float
    child: float

    @classmethod
    def of(
        cls,
        crop: Image,
        points: NDArray[np.float64],
        attributes: NDArray[np.floating],
        embedding: NDArray[np.floating] | None,
        male: float,
        child: float,
    ) -> "Looks":
        """From an aligned crop (128, 128, 3) with landmarks (68, 2), and what classifiers read of it."""
        who = np.zeros(128) if embedding is None else np.asarray(embedding, np.float64)
        return cls(pose(points), light(crop), cheeks(crop, points), np.asarray(attributes, np.float64), who, male, child)

    def row(self) -> NDArray[np.float32]:
        """All of it as one row, as a bank keeps it."""
        parts = (self.pose, self.light, self.skin, self.attributes, self.embedding, [self.male, self.child])
        return np.concatenate(parts).astype(np.float32)


def pose(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """(7,) of `Looks` from landmarks (68, 2)."""
    eyes, chin = p[36:48, 1].mean(), p[8, 1]
    opening = np.mean([np.linalg.norm(p[a] - p[b]) for a, b in ((37, 41), (38, 40), (43, 47), (44, 46))])
    corners = (p[48, 1] + p[54, 1] - 2 * p[57, 1]) / 12
    return np.array(
        [
            10 * (yaw(p) - 0.5),
            7.5 * ((p[30, 1] - eyes) / max(1.0, chin - eyes) - 0.42),
            min(float(np.linalg.norm(p[66] - p[62])), 12.0) / 2.5,
            4.5 * (np.linalg.norm(p[54] - p[48]) / 36 - 1),
            corners,
            2 * (np.linalg.norm(p[16] - p[0]) / 100 - 1),
            opening / 8,
        ]
    )


def light(crop: Image) -> NDArray[np.float64]:
    """(36,) of `Looks` from an aligned crop (128, 128, 3)."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.resize(cv2.GaussianBlur(grey, (0, 0), 6)[44:116, 38:90], (6, 6), interpolation=cv2.INTER_AREA)
    return np.asarray(small / max(8.0, float(small.mean())), np.float64).ravel()
