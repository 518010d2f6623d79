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
from deid.exceptions import DataError
from deid.models.attgan import ATTRIBUTES
from deid.structures import Image
from deid.training.data import FaceData

#: Donors share these labels with the source, which the result shall keep; and with each other whether they wear glasses, of
#: which a mean would make ghosts. A share of the morphs wears them, whatever the source does.
_KEPT = tuple(ATTRIBUTES.index(a) for a in ("Male", "Mouth_Slightly_Open"))
_GLASSES, _WITH_GLASSES = ATTRIBUTES.index("Eyeglasses"), 0.12
_DRAWN, _NEAREST, _FARTHEST = 96, 20, 10
#: How far nose, eyes and mouth move from the source's shape to the donors'.
_RESHAPED = 0.7
_JAW = 17
#: Light and colour coarser than this many pixels come from the source.
_LIGHT = 14.0
_BORDER = np.array([[0.0, 0], [64, 0], [127, 0], [127, 64], [127, 127], [64, 127], [0, 127], [0, 64]])


@dataclass(frozen=True, slots=True, eq=False)
class Morph:
    """A face to learn.

    Args:
        crop: (128, 128, 3) uint8 RGB.
        donors: (K,) indices of the people in it.
        shares: (K,) how much of each.
    """

    crop: Image
    donors: NDArray[np.intp]
    shares: NDArray[np.float64]


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

    def draw(self, index: int, rng: np.random.Generator) -> Morph:
        """A new face in the place of the one with that index."""
        donors = self._donors(index, rng)
        shares = rng.dirichlet(np.full(len(donors), 2.0))
        source, points = self.data.crops[index], self.points[index]
        shape = points.copy()
        mixed = np.tensordot(shares, self.points[donors], axes=1)
        shape[_JAW:] += _RESHAPED * (mixed - points)[_JAW:]
        warped = [warp_to(self.data.crops[d], self.points[d], shape) for d in donors]
        mean = np.tensordot(shares, np.stack(warped).astype(np.float64), axes=1).astype(np.float32)
        return Morph(_in_place(mean, source, face_mask(points)), donors, shares)

    def _donors(self, index: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Others who hold their heads as the source does, of the same gender, mouths open or shut as its is."""
        worn = rng.random() < _WITH_GLASSES
        others = next((o for o in (self._others(index, worn), self._others(index, not worn)) if len(o)), None)
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
    left, right = points[0], points[16]
    yaw = (points[30, 0] - left[0]) / max(1.0, right[0] - left[0])
    eyes, chin = points[36:48, 1].mean(), points[8, 1]
    pitch = (points[30, 1] - eyes) / max(1.0, chin - eyes)
    mouth = np.linalg.norm(points[66] - points[62])
    return np.array([yaw, pitch, mouth, crop[50:100, 45:83].mean()])


def warp_to(crop: Image, points: NDArray[np.float64], shape: NDArray[np.float64]) -> Image:
    """A crop (128, 128, 3) moved so that its landmarks (68, 2) come to lie on others, by thin-plate splines.

    F. Bookstein, "Principal Warps: Thin-Plate Splines and the Decomposition of Deformations", PAMI 1989.
    """
    here, there = np.concatenate([shape, _BORDER]), np.concatenate([points, _BORDER])
    n = len(here)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _kernel(here, here) + 0.5 * np.eye(n)
    system[:n, n], system[:n, n + 1 :] = 1.0, here
    system[n:, :n] = system[:n, n:].T
    weights = np.linalg.solve(system, np.concatenate([there, np.zeros((3, 2))]))
    ys, xs = np.mgrid[2:128:4, 2:128:4]
    grid = np.stack([xs.ravel(), ys.ravel()], axis=1).astype(float) - 0.5
    moved = _kernel(grid, here) @ weights[:n] + weights[n] + grid @ weights[n + 1 :]
    # The warp is smooth: a quarter of the resolution is enough.
    maps = cv2.resize(moved.reshape(32, 32, 2).astype(np.float32), (128, 128), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.remap(crop, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return np.asarray(0.5 * squared * np.log(np.maximum(squared, 1e-12)))


def _in_place(mean: NDArray[np.float32], source: Image, mask: NDArray[np.float32]) -> Image:
    """A face lit and coloured as the source, inside the mask."""
    alpha = mask[..., None]
    light = cv2.GaussianBlur((source.astype(np.float32) - mean) * alpha, (0, 0), _LIGHT)
    support = cv2.GaussianBlur(mask, (0, 0), _LIGHT)[..., None] + 1e-3
    return np.asarray(np.clip((mean + light / support) * alpha + source * (1 - alpha), 0, 255).round(), np.uint8)
