"""Merging of several lists of detections into one."""

from collections.abc import Iterable

import numpy as np

from deid.core.types import Detection
from deid.imaging import geometry

#: Two boxes with more overlap are one face; so are two of which the smaller lies this far inside the larger.
SAME_IOU, SAME_INSIDE = 0.4, 0.8


def merge(detections: Iterable[Detection]) -> list[Detection]:
    """The union of detections, each face once: those with landmarks before those without, then by score."""
    found = list(detections)
    boxes = np.array([d.box_xyxy for d in found]).reshape(-1, 4)
    rank = np.array([d.score + (d.landmarks is not None) for d in found])
    return [found[i] for i in geometry.nms(boxes, rank, SAME_IOU, SAME_INSIDE)]
