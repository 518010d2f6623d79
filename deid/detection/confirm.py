"""Confirmation of doubtful detections, so that low thresholds do not cover half the background."""

from collections.abc import Sequence

import cv2
import numpy as np

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.turned import detect_turned, roll_of
from deid.imaging import geometry

#: Views of a doubtful face: multiple of its box, size in pixels to which it is scaled, and the number of the judge.
_VIEWS = ((2.2, 200, 0), (2.2, 200, 1), (1.6, 120, 0), (3.0, 300, 1))
_SAME_IOU = 0.3
#: A face that is turned further is searched upright.
_MOST_ROLL = 35.0


class ConfirmedDetector:
    """A detector whose doubtful detections are searched again in close views.

    A detection is dropped only when its score is under ``sure`` and none of four close looks finds a face there.

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
        return [d for d in found if d.score >= self._sure or self._confirmed(d, image)]

    def _confirmed(self, d: Detection, image: Image) -> bool:
        return any(self._seen(d, image, *view) for view in _VIEWS)

    def _seen(self, d: Detection, image: Image, times: float, side: int, judge: int) -> bool:
        boxes = np.array([f.box_xyxy for f in look_closer(self._judges[judge], image, d, times, side)])
        return bool((geometry.box_iou(boxes, d.box_xyxy) > _SAME_IOU).any())


def look_closer(detector: Detector, image: Image, face: Detection, times: float, side: int) -> list[Detection]:
    """What a detector finds in a close view of a face, upright by its landmarks.

    Args:
        detector: looks at the view.
        image: (H, W, 3) uint8 RGB.
        face: what the view is centred on.
        times: how many times the face's box the view is.
        side: pixels that the view's longer side is shrunk or enlarged to.

    Returns:
        Faces in pixels of the image; none when the view has less than 2 x 2 pixels.
    """
    rows, columns = geometry.box_to_slices(geometry.expand_box(face.box_xyxy, times), image.shape[:2])
    view, origin = image[rows, columns], np.array([columns.start, rows.start], float)
    if min(view.shape[:2]) < 2:
        return []
    scale = side / max(view.shape[:2])
    size = (max(1, round(view.shape[1] * scale)), max(1, round(view.shape[0] * scale)))
    close = cv2.resize(view, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    back = np.array(view.shape[1::-1]) / size
    roll = 0.0 if face.landmarks is None else roll_of(face.landmarks)
    # Detectors bear a head on one side, and no more.
    degrees = -roll if abs(roll) > _MOST_ROLL else 0.0
    return [d.moved(back, origin) for d in detect_turned(detector, np.asarray(close, np.uint8), degrees)]
