"""Faces to learn from: the source's face with the mean of other people's features in its place.

A generator that is only pushed away from a person has nothing to move to, and paints what fools a recogniser. A mean of several
people who hold their heads alike, warped to the source's landmarks and lit as it is, is such a place: E. Newton, L. Sweeney,
B. Malin, "Preserving Privacy by De-identifying Face Images", TKDE 2005 (k-Same); R. Gross et al., "Semi-supervised learning of
multi-factor models for face de-identification", CVPR 2008 (k-Same-M, after warping to one shape).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.blend import face_mask
from deid.detect.face_points import FacePoints
from deid.edit.thin_plate import warp_to, yaw
from deid.exceptions import DataError
from deid.models.attgan import ATTRIBUTES
from deid.structures import Image
from deid.training.data import FaceData

#: Donors share these labels with the source, which the result shall keep; and with each other whether they wear glasses, of
#: which a mean would make ghosts.
_KEPT = tuple(ATTRIBUTES.index(a) for a in ("Male", "Mouth_Slightly_Open"))
_GLASSES = ATTRIBUTES.index("Eyeglasses")
_DRAWN, _NEAREST, _FARTHEST = 96, 20, 10
#: How far nose, eyes and mouth move from the source's shape to the donors'.
_RESHAPED = 0.7
_JAW = 17
#: Light and colour coarser than this many pixels come from the source.
_LIGHT = 14.0


@dataclass(frozen=True, slots=True, eq=False)
class Morph:
    """A face to learn.

    Args:
        crop: (128, 128, 3) uint8 RGB.
        donors: (K,) indices of the people in it.
        shares: (K,) how much of each.
        points: (68, 2) the landmarks of the crop.
        mask: (128, 128) float32 in [0, 1]: how much of the crop is new.
    """

    crop: Image
    donors: NDArray[np.intp]
    shares: NDArray[np.float64]
    points: NDArray[np.float64]
    mask: NDArray[np.float32]


class Morphs:
    """Makes them from a set of aligned faces.

    Args:
        data: faces with labels; donors come from its LFW faces where there are any, which are sharp.
        places: (N, D) unit rows that say who a face is: of those who hold their heads alike, the less similar half is taken.
        n_donors: people in each.
    """

    def __init__(self, data: FaceData, places: NDArray[np.float32], n_donors: int = 3) -> None:
        self.data, self.places, self.n_donors = data, places, n_donors
        finder = FacePoints()
        self.points = np.stack([finder.points(crop) for crop in data.crops])
        poses = np.array([_pose(p, crop) for p, crop in zip(self.points, data.crops, strict=True)])
        self._poses = poses / (poses.std(axis=0) + 1e-9)
        able = data.sources == "lfw" if (data.sources == "lfw").any() else np.ones(len(data), bool)
        self._able = [np.flatnonzero(able & ((data.labels[:, _GLASSES] > 0) == worn)) for worn in (False, True)]

    def draw(self, index: int, glasses: bool, rng: np.random.Generator) -> Morph:
        """A new face, with or without glasses, in the place of the one with that index."""
        donors = self._donors(index, glasses, rng)
        shares = rng.dirichlet(np.full(len(donors), 2.0))
        source, points = self.data.crops[index], self.points[index]
        shape = points.copy()
        mixed = np.tensordot(shares, self.points[donors], axes=1)
        shape[_JAW:] += _RESHAPED * (mixed - points)[_JAW:]
        warped = [warp_to(self.data.crops[d], self.points[d], shape) for d in donors]
        mean = np.tensordot(shares, np.stack(warped).astype(np.float64), axes=1).astype(np.float32)
        mask = face_mask(points)
        return Morph(_in_place(mean, source, mask), donors, shares, shape, mask)

    def _donors(self, index: int, glasses: bool, rng: np.random.Generator) -> NDArray[np.intp]:
        """Others who hold their heads as the source does, of the same gender, mouths open or shut as its is."""
        others = next((o for o in (self._others(index, glasses), self._others(index, not glasses)) if len(o)), None)
        if others is None:
            raise DataError(f"expected another face like that of {self.data.names[index]} to mix in, found none")
        others = rng.choice(others, min(_DRAWN, len(others)), replace=False)
        distance = np.linalg.norm(self._poses[others] - self._poses[index], axis=1)
        nearest = others[np.argsort(distance)[:_NEAREST]]
        strangest = nearest[np.argsort(self.places[nearest] @ self.places[index])[:_FARTHEST]]
        return np.asarray(rng.choice(strangest, self.n_donors, replace=len(strangest) < self.n_donors))

    def _others(self, index: int, worn: bool) -> NDArray[np.intp]:
        data, able = self.data, self._able[int(worn)]
        same_kind = (data.labels[able][:, _KEPT] == data.labels[index, _KEPT]).all(axis=1)
        return np.asarray(able[same_kind & (data.identities[able] != data.identities[index])])


def _pose(points: NDArray[np.float64], crop: Image) -> NDArray[np.float64]:
    """(4,) yaw and pitch, as where the nose lies, how far the lips are apart, and the face's brightness."""
    eyes, chin = points[36:48, 1].mean(), points[8, 1]
    pitch = (points[30, 1] - eyes) / max(1.0, chin - eyes)
    mouth = np.linalg.norm(points[66] - points[62])
    return np.array([yaw(points), pitch, mouth, crop[50:100, 45:83].mean()])


def _in_place(mean: NDArray[np.float32], source: Image, mask: NDArray[np.float32]) -> Image:
    """A face lit and coloured as the source, inside the mask."""
    alpha = mask[..., None]
    light = cv2.GaussianBlur((source.astype(np.float32) - mean) * alpha, (0, 0), _LIGHT)
    support = cv2.GaussianBlur(mask, (0, 0), _LIGHT)[..., None] + 1e-3
    return np.asarray(np.clip((mean + light / support) * alpha + source * (1 - alpha), 0, 255).round(), np.uint8)
