"""A detector limited to detections above a score."""

from deid.core.protocols import Detector
from deid.core.types import Detection, Image


class ThresholdDetector:
    """Leaves out detections with a low score.

    Args:
        detector: detects the faces.
        least: least score that is kept, in [0, 1].
    """

    def __init__(self, detector: Detector, least: float) -> None:
        self._detector, self._least = detector, least
        self.name = detector.name

    def detect(self, image: Image) -> list[Detection]:
        return [d for d in self._detector.detect(image) if d.score >= self._least]


def at_least(detector: Detector, least: float | None) -> Detector:
    """The detector itself without a least score."""
    return detector if least is None else ThresholdDetector(detector, least)
