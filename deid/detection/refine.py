"""Refinement of an expected face: MTCNN's second and third network without the first and its pyramid.

K. Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", SPL 2016. Following a
known face costs a hundredth of a search of a large frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DetectionError
from deid.core.types import Detection, Image, check_image
from deid.detection.equalized import equalize
from deid.detection.mtcnn import networks
from deid.imaging import geometry

#: Where to look, as shifts in shares of the box's side, and at what scales: the face has moved since it was seen.
_SHIFTS = ((0.0, 0.0), (-0.15, 0.0), (0.15, 0.0), (0.0, -0.15), (0.0, 0.15))
_SCALES = (0.85, 1.05, 1.3)
#: Scales of the first look, by O-Net alone: a face of at least this score that overlaps the expected box by so much needs no other look.
_FIRST_SCALES, _SURE, _SURE_IOU = (0.95, 1.2), 0.9, 0.5
#: Number of R-Net's best views that go on to O-Net.
_FINALISTS = 3
#: Size of the patch in which a missed face is searched once more, in boxes, with equalized contrast.
_SURROUNDINGS = 3.0
#: A face of more than twice this size in pixels is shrunk to it first; size of the searched surroundings, in sides of a square around its
#: box, of the first look and of the others.
_ENOUGH, _FIRST_REACH, _REACH = 96.0, 1.3, 2.6
#: A detection that overlaps the expected box by less is another face.
_SAME_IOU = 0.25


class FaceRefiner:
    """Finds faces again near boxes where they are expected.

    Args:
        threshold: least score of O-Net, in [0, 1].
        device: where the networks run.
    """

    def __init__(self, threshold: float = 0.4, device: str = "cpu") -> None:
        self._networks, self._threshold = networks(device), threshold

    def refine(self, image: Image, boxes: Sequence[NDArray[np.float64]]) -> list[Detection | None]:
        """What lies near each box.

        Args:
            image: (H, W, 3) uint8 RGB.
            boxes: (4,) xyxy each.

        Returns:
            For each box the face there, with landmarks, or None.

        Raises:
            DetectionError: a network failed.
        """
        check_image(image)
        if not boxes:
            return []
        try:
            found = self._glance(image, np.stack(boxes))
            for look in (self._closely, self._evened):
                missed = [i for i, d in enumerate(found) if d is None]
                for i, d in zip(missed, look(image, [boxes[i] for i in missed]), strict=True):
                    found[i] = d
            return found
        except RuntimeError as error:
            raise DetectionError(f"mtcnn failed on {len(boxes)} boxes: {error}") from error

    def _glance(self, image: Image, boxes: NDArray[np.float64]) -> list[Detection | None]:
        """What is where it was expected, for sure, of boxes (N, 4)."""
        views = [_View.of(image, box, _FIRST_REACH) for box in boxes]
        looks = np.concatenate([_looks(box, _FIRST_SCALES, _SHIFTS[:1]) for box in boxes])
        return self._judged(views, boxes, looks, _SURE, _SURE_IOU)

    def _closely(self, image: Image, boxes: Sequence[NDArray[np.float64]]) -> list[Detection | None]:
        """What lies near boxes."""
        return self._refine([image] * len(boxes), np.stack(boxes)) if boxes else []

    def _refine(self, images: Sequence[Image], boxes: NDArray[np.float64]) -> list[Detection | None]:
        """What lies near boxes (N, 4), each in its own image."""
        looks = np.concatenate([_looks(box, _SCALES, _SHIFTS) for box in boxes])
        n = len(_SHIFTS) * len(_SCALES)
        views = [_View.of(image, box, _REACH) for image, box in zip(images, boxes, strict=True)]
        score, shift = self._networks.rnet(_crops(views, looks, 24))
        rough = _square(_moved(looks, shift))
        best = np.argsort(-score.reshape(len(boxes), n), axis=1)[:, :_FINALISTS] + np.arange(len(boxes))[:, None] * n
        return self._judged(views, boxes, rough[best.ravel()], self._threshold, _SAME_IOU)

    def _judged(
        self, views: Sequence["_View"], boxes: NDArray[np.float64], squares: NDArray[np.float64], least_score: float, least_iou: float
    ) -> list[Detection | None]:
        """What O-Net sees in squares (K N, 4), K for each of the boxes (N, 4) that a face is expected in."""
        score, shift, points = self._networks.onet(_crops(views, squares, 48))
        final, sure = _moved(squares, shift), score
        size = squares[:, 2:] - squares[:, :2]
        marks = np.stack([points[:, :5], points[:, 5:]], axis=-1) * size[:, None] + squares[:, None, :2]
        each = zip(boxes, *(np.split(of, len(boxes)) for of in (final, sure, marks)), strict=True)
        return [_best(box, near, scores, points, least_score, least_iou) for box, near, scores, points in each]

    def _evened(self, image: Image, boxes: Sequence[NDArray[np.float64]]) -> list[Detection | None]:
        """What lies near boxes once their surroundings are evened out, all in one pass."""
        found: list[Detection | None] = [None] * len(boxes)
        parts, origins, own = [], [], []
        for i, box in enumerate(boxes):
            rows, columns = geometry.box_to_slices(geometry.expand_box(box, _SURROUNDINGS), image.shape[:2])
            if min(rows.stop - rows.start, columns.stop - columns.start) >= 8:
                parts.append(equalize(image[rows, columns], tiles=3))
                origins.append(np.array([columns.start, rows.start], float))
                own.append(i)
        if not own:
            return found
        here = self._refine(parts, np.stack([boxes[i] - np.tile(o, 2) for i, o in zip(own, origins, strict=True)]))
        for i, origin, d in zip(own, origins, here, strict=True):
            found[i] = None if d is None else d.moved(np.ones(2), origin)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The surroundings of a large face, shrunk once and not for each look; of a small one, the whole image.

    Args:
        image: (h, w, 3) uint8 RGB.
        origin: (2,) where its corner lies in the whole image.
        scale: (2,) from pixels of the whole image to its own.
    """

    image: Image
    origin: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, image: Image, box: NDArray[np.float64], reach: float) -> "_View":
        shrunk = _ENOUGH / float((box[2:] - box[:2]).max())
        (square,) = _looks(box, (reach,), _SHIFTS[:1])
        rows, columns = geometry.box_to_slices(square, image.shape[:2])
        part = image[rows, columns]
        size = np.round(np.array(part.shape[1::-1]) * shrunk).astype(int)
        if shrunk > 0.5 or size.min() < 1:
            return cls(image, np.zeros(2), np.ones(2))
        small = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
        return cls(np.asarray(small, np.uint8), np.array([columns.start, rows.start], float), size / np.array(part.shape[1::-1]))

    def inside(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes (N, 4) of the whole image in pixels of this one."""
        return np.asarray((boxes - np.tile(self.origin, 2)) * np.tile(self.scale, 2))


def _crops(views: Sequence["_View"], boxes: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    """Squares of the image, boxes (N, 4), as a network sees them; each view's own follow one another."""
    each = np.split(boxes, len(views))
    crops = np.stack([_crop(view.image, box, side) for view, own in zip(views, each, strict=True) for box in view.inside(own)])
    return np.asarray(crops, np.float32)


def _best(
    expected: NDArray[np.float64],
    boxes: NDArray[np.float64],
    scores: NDArray[np.float32],
    marks: NDArray[np.float64],
    least_score: float,
    least_iou: float,
) -> Detection | None:
    """The mean of what is sure enough and where it was expected: it is steadier than the best alone."""
    fits = (geometry.box_iou(boxes, expected)[:, 0] >= least_iou) & (scores >= least_score) & np.isfinite(boxes).all(axis=1)
    if not fits.any():
        return None
    weight = np.where(fits, scores, 0.0)
    weight = weight / weight.sum()
    box, mark = weight @ boxes, np.tensordot(weight, marks, axes=1)
    return Detection(box, float(np.clip(scores[fits].max(), 0, 1)), mark, "mtcnn")


def _looks(box: NDArray[np.float64], scales: Sequence[float], shifts: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Squares (N, 4) about a box."""
    centre, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
    at = [(centre + np.array(shift) * side, side * scale / 2) for scale in scales for shift in shifts]
    return np.stack([np.concatenate([middle - half, middle + half]) for middle, half in at])


def _moved(boxes: NDArray[np.float64], shares: NDArray[np.float32]) -> NDArray[np.float64]:
    """Boxes (N, 4) with each edge moved by a share of the side."""
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return np.asarray(boxes + shares * size)


def _square(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    half = np.maximum(half, 1.0)
    return np.concatenate([centre - half, centre + half], axis=1)


def _crop(image: Image, box: NDArray[np.float64], side: int) -> Image:
    """A square of the image as (side, side, 3); the border is repeated outside."""
    x0, y0 = np.floor(box[:2]).astype(int)
    x1, y1 = np.ceil(box[2:]).astype(int)
    rows, columns = geometry.box_to_slices(box, image.shape[:2])
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return np.full((side, side, 3), 127, np.uint8)
    part = image[rows, columns]
    if part.shape[:2] != (y1 - y0, x1 - x0):
        around = ((rows.start - y0, y1 - rows.stop), (columns.start - x0, x1 - columns.stop), (0, 0))
        part = np.pad(part, around, mode="edge")
    return np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
