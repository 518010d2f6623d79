"""dlib's two detectors: histograms of gradients (fast, frontal), and a small network (slow on a CPU, all poses).

N. Dalal, B. Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005;
D. King, "Max-Margin Object Detection", 2015 (1502.00046).
"""

import threading
from typing import Any

import dlib
import numpy as np

from deid.core.errors import DetectionError
from deid.core.types import Detection, Image, check_image
from deid.weights import dlib_model_file

#: Faces that the detectors are trained on are about 80 px; the image is doubled until `min_face` is that large.
_TRAINED_FACE = 80
#: dlib's network fails on images that are smaller than its filters.
_LEAST_SIDE = 64
#: The HOG detector's margin at which a face counts as sure.
_SURE_MARGIN = 1.5
_MAX_SIDE = 3000


def _doublings(min_face: int, image: Image) -> int:
    wanted = int(np.ceil(np.log2(max(1.0, _TRAINED_FACE / min_face))))
    allowed = int(np.log2(max(1.0, _MAX_SIDE / max(image.shape[:2]))))
    return min(wanted, allowed)


def _box(rectangle: Any) -> np.ndarray:
    return np.array([rectangle.left(), rectangle.top(), rectangle.right() + 1, rectangle.bottom() + 1], float)


def _large_enough(image: Image) -> Image:
    below, right = (max(0, _LEAST_SIDE - side) for side in image.shape[:2])
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else np.ascontiguousarray(image)


class DlibHogDetector:
    """Boxes without landmarks, by dlib's frontal face detector."""

    name = "dlib_hog"

    def __init__(self, min_face: int = 40) -> None:
        self._detector = dlib.get_frontal_face_detector()
        self._min_face = min_face
        self._lock = threading.Lock()

    def detect(self, image: Image) -> list[Detection]:
        times = _doublings(self._min_face, check_image(image))
        with self._lock:
            boxes, margins, _ = self._detector.run(np.ascontiguousarray(image), times, 0.0)
        return [
            Detection(_box(b), float(np.clip(0.5 + m / (2 * _SURE_MARGIN), 0, 1)), None, self.name)
            for b, m in zip(boxes, margins, strict=True)
        ]


class DlibMmodDetector:
    """Boxes without landmarks, by dlib's network."""

    name = "dlib_mmod"

    def __init__(self, min_face: int = 40) -> None:
        self._network = dlib.cnn_face_detection_model_v1(str(dlib_model_file("mmod_human_face_detector.dat")))
        self._min_face = min_face
        self._lock = threading.Lock()

    def detect(self, image: Image) -> list[Detection]:
        times = _doublings(self._min_face, check_image(image))
        try:
            with self._lock:
                found = self._network(_large_enough(image), times)
        except (RuntimeError, MemoryError) as error:
            raise DetectionError(f"dlib_mmod failed on an image of {image.shape[:2]} pixels: {error}") from error
        return [Detection(_box(f.rect), float(np.clip(f.confidence, 0, 1)), None, self.name) for f in found]
