"""Finds what stands before a face in an aligned crop: a hand, a microphone, a cup, somebody's shoulder."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Crops, Image
from deid.imaging.geometry import scaled
from deid.imaging.template import SIZE, disc, filled
from deid.recognition.crop_reader import CropReader

Field = NDArray[np.float32]

#: From this probability on a pixel is an object's. Of an object's pixels within the face the mean must be so much at first sight, and so
#: much on average over all views, or nothing is kept: in 4 438 photos seven beards, cheeks and mouths were taken for objects at 0.8 in one
#: view, and none at more than 0.77 in all (weights/EXPERIMENTS.md).
_PART, _LIKELY, _SURE = 0.5, 0.7, 0.79
#: Views of a face: turned by so many degrees, so many times as large, and mirrored or not.
_VIEWS = ((0.0, 1.0, False), (0.0, 1.0, True), (7.0, 0.93, False), (-7.0, 0.93, True), (5.0, 1.08, True), (-5.0, 1.08, False))
#: An object covers so many pixels (of 128) of the face at least, so many pixels inside its outline, and as many outside of it: what lies
#: within is a beard, a mouth or a shadow.
_WITHIN, _INSIDE, _BEYOND = 40, 2.0, 12
#: The largest share of the face, and of its features, that may be kept; an eye is covered from this share on, and one may be.
_FACE, _FEATURES, _EYE, _EYES = 0.45, 0.5, 0.25, 1
#: The border of an object is sought in the photo within so many pixels (of 128), where grey levels (of 1) differ more than this.
_NEAR, _EDGE = 3.0, 0.03


class ObjectsReader(CropReader):
    """Finds objects before a face.

    Args:
        device: where the network runs.
    """

    def __init__(self, device: str = "cpu") -> None:
        super().__init__("objects", None, device)

    def find(self, crop: Image, points: NDArray[np.float64]) -> Field | None:
        """(n, n) in [0, 1]: what covers the face, with a soft border; None where nothing surely does, or too much.

        Args:
            crop: (n, n, 3) uint8 RGB, aligned.
            points: (68, 2) landmarks in pixels of 128.
        """
        small = crop if len(crop) == SIZE else np.asarray(cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)
        if not _kept(self._said(small[None])[0], points, _LIKELY).any():
            return None
        said = self._in_all_views(small)
        kept = _kept(said, points, _SURE)
        if not kept.any() or _hides_too_much(kept, points):
            return None
        return _matte(said, kept, crop)

    def _said(self, crops: Crops) -> Field:
        """(N, 128, 128): the probability of an object in crops (N, 128, 128, 3)."""
        return np.asarray(self.network(np.ascontiguousarray(crops))[0][:, 0], np.float32)

    def _in_all_views(self, crop: Image) -> Field:
        """(128, 128): the mean of what is said of a crop (128, 128, 3) in all views: of a beard or a shadow each says something else."""
        size, ways = (SIZE, SIZE), [_way(*view) for view in _VIEWS]
        said = self._said(np.stack([cv2.warpAffine(crop, way, size, borderMode=cv2.BORDER_REPLICATE) for way in ways]))
        back = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        seen = [cv2.warpAffine(s, way, size, flags=back, borderMode=cv2.BORDER_REPLICATE) for s, way in zip(said, ways, strict=True)]
        return np.asarray(np.mean(seen, axis=0), np.float32)


def _way(angle: float, scale: float, mirrored: bool) -> NDArray[np.float64]:
    """(2, 3): from the pixels of a crop to those of a view."""
    middle = (SIZE - 1) / 2
    way = np.asarray(cv2.getRotationMatrix2D((middle, middle), angle, scale), np.float64)
    return way @ np.array([[-1.0, 0, SIZE - 1], [0, 1, 0], [0, 0, 1]]) if mirrored else way


def _face(points: NDArray[np.float64]) -> Field:
    """(128, 128): 1 within a face, from the brows to the chin."""
    return filled(np.asarray(cv2.convexHull(points[:27].astype(np.float32))[:, 0], np.float64))


def _kept(said: Field, points: NDArray[np.float64], surely: float) -> NDArray[np.bool_]:
    """(128, 128): the pixels of objects that are some as ``surely``, and come in from outside of the face."""
    # What hangs together by a thread is two things: a hand, and the open mouth beside it.
    count, parts = cv2.connectedComponents(cv2.morphologyEx((said > _PART).astype(np.uint8), cv2.MORPH_OPEN, disc(1)))
    face = _face(points)
    inside = cv2.erode(face, disc(_INSIDE)) > 0.5
    kept: NDArray[np.bool_] = np.zeros(said.shape, bool)
    for number in range(1, count):
        part = parts == number
        within = part & inside
        if within.sum() >= _WITHIN and (part & (face < 0.5)).sum() >= _BEYOND and said[within].mean() >= surely:
            kept |= part
    return kept


def _hides_too_much(kept: NDArray[np.bool_], points: NDArray[np.float64]) -> bool:
    """Whether so much is covered that what is kept might be the face itself."""
    features = filled(np.asarray(cv2.convexHull(points[17:].astype(np.float32))[:, 0], np.float64))
    if _share(kept, _face(points)) > _FACE or _share(kept, features) > _FEATURES:
        return True
    return sum(_share(kept, filled(points[eye])) > _EYE for eye in (slice(36, 42), slice(42, 48))) > _EYES


def _share(kept: NDArray[np.bool_], where: Field) -> float:
    return float((kept * where).sum() / max(float(where.sum()), 1e-6))


def _matte(said: Field, kept: NDArray[np.bool_], crop: Image) -> Field:
    """(n, n): where objects are at the photo's scale, with the borders that the photo shows."""
    n, k = len(crop), len(crop) / SIZE
    near = cv2.dilate(kept.astype(np.uint8), disc(_NEAR))
    own = scaled(np.asarray(said * near, np.float32), n)
    grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) / 255, np.float32)
    fitted = _guided(grey, own, round(_NEAR * k))
    return np.asarray(np.clip(2 * fitted - 0.5, 0, 1) * scaled(near.astype(np.float32), n), np.float32)


def _guided(guide: Field, mask: Field, radius: int) -> Field:
    """A mask (n, n) as a linear function of an image (n, n) around each pixel: K. He, J. Sun, X. Tang, "Guided Image Filtering", ECCV
    2010."""

    def mean(values: NDArray[Any]) -> Field:
        return np.asarray(cv2.blur(values, (2 * radius + 1, 2 * radius + 1)), np.float32)

    middle, own = mean(guide), mean(mask)
    slope = (mean(guide * mask) - middle * own) / (mean(guide * guide) - middle * middle + _EDGE**2)
    return np.asarray(mean(slope) * guide + mean(own - slope * middle), np.float32)
