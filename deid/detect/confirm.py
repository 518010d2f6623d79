"""A second opinion on doubtful detections, so that low thresholds don't cover half the background."""

from collections.abc import Sequence

import cv2
import numpy as np

from deid import geometry
from deid.protocols import Detector
from deid.structures import Detection, Image

#: Views of a doubtful face: so many times its box, shrunk or enlarged to so many pixels, and which of the judges looks.
_VIEWS = ((2.2, 200, 0), (2.2, 200, 1), (1.6, 120, 0), (3.0, 300, 1))
_SAME_IOU = 0.3


class ConfirmedDetector:
    """A detector whose doubtful finds are looked at again from close by.

    A find goes only when its score is under ``sure`` and none of four close looks finds a face there.

    Args:
        detector: finds faces, with low thresholds.
        judges: two detectors that look at close views; one that sees the mirror image is a second opinion indeed.
        sure: score from which a find needs no confirmation.
    """

    def __init__(self, detector: Detector, judges: Sequence[Detector], sure: float = 0.75) -> None:
        if len(judges) != 2:
            raise ValueError(f"expected two judges, got {len(judges)}")
        self._detector, self._judges, self._sure = detector, judges, sure
        self.name = detector.name

    def detect(self, image: Image) -> list[Detection]:
        found = self._detector.detect(image)
        return [d for d in found if d.score >= self._sure or self._confirmed(d, image)]

    def _confirmed(self, d: Detection, image: Image) -> bool:
        return any(self._seen(d, image, *view) for view in _VIEWS)

    def _seen(self, d: Detection, image: Image, times: float, side: int, judge: int) -> bool:
        rows, columns = geometry.box_to_slices(geometry.expand_box(d.box_xyxy, times), image.shape[:2])
        view = image[rows, columns]
        scale = side / max(view.shape[:2])
        size = (max(2, round(view.shape[1] * scale)), max(2, round(view.shape[0] * scale)))
        close = np.asarray(cv2.resize(view, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8)
        boxes = np.array([f.box_xyxy for f in self._judges[judge].detect(close)]).reshape(-1, 4)
        boxes = boxes / scale + np.tile([columns.start, rows.start], 2)
        return bool((geometry.box_iou(boxes, d.box_xyxy) > _SAME_IOU).any())
