"""Merging of several lists of detections into one, and whether a face is in a list."""

from collections.abc import Iterable, Sequence

import numpy as np

from deid.core.types import Detection
from deid.imaging import geometry

#: Two boxes with more overlap are one face; so are two of which the smaller lies this far inside the larger.
SAME_IOU, SAME_INSIDE = 0.4, 0.8
#: A second find of a face overlaps with it so much, or has its middle in it.
_AGAIN_IOU = 0.3


def merge(detections: Iterable[Detection]) -> list[Detection]:
    """The union of detections, each face once: those with landmarks before those without, then by score."""
    found = list(detections)
    boxes = np.array([d.box_xyxy for d in found]).reshape(-1, 4)
    rank = np.array([d.score + (d.landmarks is not None) for d in found])
    return [found[i] for i in geometry.nms(boxes, rank, SAME_IOU, SAME_INSIDE)]


def ranked(groups: Sequence[Sequence[Detection]]) -> list[Detection]:
    """Each face once, as the first group says that has it: a view at a wrong turn gives landmarks of no use."""
    found = [d for group in groups for d in group]
    rank = [d.score - 2 * number for number, group in enumerate(groups) for d in group]
    boxes = np.array([d.box_xyxy for d in found]).reshape(-1, 4)
    return [found[i] for i in geometry.nms(boxes, np.array(rank), SAME_IOU, SAME_INSIDE)]


def is_among(detection: Detection, faces: Sequence[Detection]) -> bool:
    """Whether a face is one of these: it overlaps with one, or has its middle in it."""
    boxes = np.array([face.box_xyxy for face in faces]).reshape(-1, 4)
    middle = (detection.box_xyxy[:2] + detection.box_xyxy[2:]) / 2
    within = ((boxes[:, :2] <= middle) & (middle <= boxes[:, 2:])).all(axis=1)
    return bool((within | (geometry.box_iou(boxes, detection.box_xyxy).reshape(-1) > _AGAIN_IOU)).any())
