"""A second look at what changed in a picture: what did not change looks as it did at the first look."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.checked import detect
from deid.detection.merge import merge
from deid.imaging import geometry

#: A changed part is looked at with its surroundings, so many times its size, and at least so many pixels of them on each side.
_TIMES, _LEAST_AROUND = 2.0, 48.0
#: From this share of the picture on, the whole is looked at.
_MOST_SHARE = 0.6


def detect_in_changed(detector: Detector, image: Image, changed: NDArray[np.bool_]) -> list[Detection]:
    """Faces that a detector finds in and about the changed parts of an image.

    Args:
        detector: looks at each part.
        image: (H, W, 3) uint8 RGB.
        changed: (H, W) where it changed.

    Raises:
        DetectionError: the detector failed.
    """
    parts = list(_parts(changed))
    if sum(part.shape[0] * part.shape[1] for part in (changed[place] for place in parts)) > _MOST_SHARE * changed.size:
        return detect(detector, image)
    found = []
    for rows, columns in parts:
        origin = np.array([columns.start, rows.start], float)
        found += [d.moved(np.ones(2), origin) for d in detect(detector, np.ascontiguousarray(image[rows, columns]))]
    return merge(found)


def _parts(changed: NDArray[np.bool_]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the changed parts with their surroundings; parts that touch are one."""
    n, _, stats, _ = cv2.connectedComponentsWithStats(changed.astype(np.uint8))
    boxes = [np.array([x, y, x + w, y + h], float) for x, y, w, h, _ in stats[1:n]]
    boxes = [np.stack([geometry.expand_box(b, _TIMES), b + np.repeat([-1, 1], 2) * _LEAST_AROUND]) for b in boxes]
    left = [np.concatenate([pair[:, :2].min(axis=0), pair[:, 2:].max(axis=0)]) for pair in boxes]
    while left:
        box = left.pop()
        touching = [i for i, other in enumerate(left) if geometry.box_intersection(other[None], box).any()]
        if touching:
            other = left.pop(touching[0])
            left.append(np.concatenate([np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:])]))
        else:
            yield geometry.box_to_slices(box, changed.shape)
