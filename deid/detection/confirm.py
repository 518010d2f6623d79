"""Confirmation of doubtful detections, so that low thresholds do not cover half the background."""

from collections.abc import Sequence

import numpy as np

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.views import look_closer
from deid.imaging import geometry

#: Views of a doubtful face: multiple of its box, size in pixels to which it is scaled, and the number of the judge.
_VIEWS = ((2.2, 200, 0), (2.2, 200, 1), (1.6, 120, 0), (3.0, 300, 1))
_SAME_IOU = 0.3
#: Eyes and mouth lie apart by this share of the box at least, across or down: in 507 faces of CMU and MIT by 0.34 and more, on a hand by
#: 0.14.
_APART = 0.22


class ConfirmedDetector:
    """A detector whose doubtful detections are searched again in close views.

    A detection is dropped only when its score is under ``sure``, or its landmarks lie as in no face, and none of four close looks finds a
    face there.

    Args:
        detector: finds faces, with low thresholds.
        judges: two detectors that look at close views; one that sees the mirror image is a second opinion indeed.
        sure: score from which a detection needs no confirmation.
    """

    def __init__(self, detector: Detector, judges: Sequence[Detector], sure: float = 0.75) -> None:
        if len(judges) != 2:
            raise ValueError(f"expected two judges, got {len(judges)}")
        self._detector, self._judges, self._sure = detector, judges, sure
        self.name = detector.name

    def detect(self, image: Image) -> list[Detection]:
        found = self._detector.detect(image)
        return [d for d in found if (d.score >= self._sure and _like_a_face(d)) or self._confirmed(d, image)]

    def _confirmed(self, d: Detection, image: Image) -> bool:
        return any(self._seen(d, image, *view) for view in _VIEWS)

    def _seen(self, d: Detection, image: Image, times: float, side: int, judge: int) -> bool:
        boxes = np.array([f.box_xyxy for f in look_closer(self._judges[judge].detect, image, d, times, side)])
        return bool((geometry.box_iou(boxes, d.box_xyxy) > _SAME_IOU).any())


def _like_a_face(d: Detection) -> bool:
    """Whether landmarks, where there are any, lie as far apart as a face's, from any side."""
    if d.landmarks is None:
        return True
    x0, y0, x1, y1 = d.box_xyxy
    size = np.maximum(np.array([x1 - x0, y1 - y0]), 1e-6)
    across = np.linalg.norm(d.landmarks[1] - d.landmarks[0]) / size[0]
    down = np.linalg.norm(d.landmarks[3:].mean(axis=0) - d.landmarks[:2].mean(axis=0)) / size[1]
    return bool(max(across, down) >= _APART)
