"""Licence plates, by a detector that the user has as ONNX."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.tiling import TiledDetector
from deid.detection.yolo import YoloDetector

#: What a class of a plate is called, in part.
_NAMES = ("plate", "licen")
PLATE = "license_plate"


class PlateDetector:
    """Finds licence plates.

    Args:
        path: ONNX file of any YOLO. Of several classes, those are taken whose name in the file says that they are plates.

    Raises:
        DependencyError: onnxruntime is not installed.
        ConfigError: the file is no such model, or none of its classes is a plate.
    """

    name = "plates"

    def __init__(self, path: Path) -> None:
        own = YoloDetector(path, wanted=_NAMES)
        # What the network's input holds is looked at in full size: in a photo shrunk to it, far plates would be lost.
        self._detector = TiledDetector(own, own.side, own.side * 3 // 8)

    def detect(self, image: Image) -> list[Detection]:
        """Plates in an (H, W, 3) uint8 RGB image; landmarks mean nothing on them."""
        return [replace(d, landmarks=None, detector=self.name, label=PLATE) for d in self._detector.detect(image)]


class Together:
    """Detectors of different things: what they find stays apart, however it overlaps.

    Args:
        detectors: one for each thing.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple(detectors)
        self.name = "+".join(d.name for d in detectors)

    def detect(self, image: Image) -> list[Detection]:
        return [found for detector in self._detectors for found in detector.detect(image)]
