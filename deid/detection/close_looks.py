"""Close looks at doubtful places of an upright photo, turned by quarters: a small face that lies is faint when it is seen upright."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.views import turn, turned_by
from deid.imaging import geometry

QUARTERS = (90, 180, 270)
#: Black pixels between images that are searched together.
_GAP = 8
#: A close look is at so many times a place's box, shrunk or enlarged to so many pixels.
_AROUND, _SIDE = 2.0, 64
#: So many places are looked at, the likeliest first. In group photos of 640 pixels, that takes a twentieth of the search.
_MOST = 6
#: A face counts from this score on, and when it is surer by so much than what was found upright.
_SURE, _SURER = 0.7, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """An image that is turned, the way from its own pixels to the turned ones, and its corner (x, y) in what is searched."""

    image: Image
    matrix: geometry.Matrix
    corner: tuple[int, int]

    def holds(self, d: Detection) -> bool:
        """Whether the middle of a detection lies in it."""
        middle = (d.box_xyxy[:2] + d.box_xyxy[2:]) / 2 - self.corner
        return bool((middle >= 0).all() and (middle < self.image.shape[1::-1]).all())

    def back(self, d: Detection) -> Detection:
        """A detection in the image as it was given."""
        return turned_by(d.moved(np.ones(2), -np.array(self.corner, float)), geometry.invert(self.matrix))


def at_quarters(detector: Detector, images: Sequence[Image]) -> list[list[list[Detection]]]:
    """What a detector finds in images at each of the quarters, in one search that shows them side by side.

    Args:
        detector: looks at all of them.
        images: (H, W, 3) uint8 RGB each.

    Returns:
        For each image and each of `QUARTERS`, detections in pixels of the image.
    """
    heights = [max(image.shape[:2]) + _GAP for image in images]
    rows = [_row(image, sum(heights[:i])) for i, image in enumerate(images)]
    found = detector.detect(_together([view for row in rows for view in row]))
    return [[[view.back(d) for d in found if view.holds(d)] for view in row] for row in rows]


def _row(image: Image, below: int) -> list[_View]:
    """The quarters of an image, one beside the other."""
    turned = [turn(image, degrees) for degrees in QUARTERS]
    widths = [view.shape[1] + _GAP for view, _ in turned]
    return [_View(view, matrix, (sum(widths[:i]), below)) for i, (view, matrix) in enumerate(turned)]


def _together(views: Sequence[_View]) -> Image:
    """One image that shows several."""
    ends = [np.array(view.corner) + view.image.shape[1::-1] for view in views]
    w, h = np.max(ends, axis=0)
    canvas = np.zeros((int(h), int(w), 3), np.uint8)
    for view in views:
        x, y = view.corner
        canvas[y : y + view.image.shape[0], x : x + view.image.shape[1]] = view.image
    return canvas


def lying_at(detector: Detector, image: Image, places: Sequence[Detection]) -> list[Detection]:
    """Faces that lie at doubtful places.

    Args:
        detector: sees a face at most turns, and surely where it is upright.
        image: (H, W, 3) uint8 RGB.
        places: what was found faintly, or by one detector alone, in the image as it stands.

    Returns:
        At each place, the surest face of the quarters, when it is much surer there than upright.
    """
    looks = [_Look.at(image, place) for place in sorted(places, key=lambda d: -d.score)[:_MOST]]
    looks = [look for look in looks if look.view.size]
    found = at_quarters(detector, [look.view for look in looks]) if looks else []
    faces = [look.surest([d for quarter in own for d in quarter]) for look, own in zip(looks, found, strict=True)]
    return [face for face in faces if face is not None]


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A square around a place, how many times as large as the image shows it, and its corner (x, y) there."""

    place: Detection
    view: Image
    scale: float
    corner: NDArray[np.float64]

    @classmethod
    def at(cls, image: Image, place: Detection) -> "_Look":
        box = place.box_xyxy
        middle, half = (box[:2] + box[2:]) / 2, _AROUND * float((box[2:] - box[:2]).max()) / 2
        rows, columns = geometry.box_to_slices(np.concatenate([middle - half, middle + half]), image.shape[:2])
        part, scale = image[rows, columns], _SIDE / (2 * half)
        if part.size:
            size = [max(1, round(side * scale)) for side in part.shape[1::-1]]
            part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8)
        return cls(place, part, scale, np.array([columns.start, rows.start], float))

    def surest(self, found: Sequence[Detection]) -> Detection | None:
        """The surest face of those found in the look that lies at the place; None when it was as sure upright."""
        there = [d.moved(np.full(2, 1 / self.scale), self.corner) for d in found]
        own = [d for d in there if _is_at(d, self.place) and d.score >= max(_SURE, self.place.score + _SURER)]
        return max(own, key=lambda d: d.score, default=None)


def _is_at(d: Detection, place: Detection) -> bool:
    """Whether one of two boxes holds the middle of the other."""
    pairs = ((d.box_xyxy, place.box_xyxy), (place.box_xyxy, d.box_xyxy))
    return any(bool((b[:2] <= (a[:2] + a[2:]) / 2).all() and ((a[:2] + a[2:]) / 2 <= b[2:]).all()) for a, b in pairs)
