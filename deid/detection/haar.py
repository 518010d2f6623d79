"""The Viola-Jones cascade that OpenCV bundles: fast, frontal faces only, many false alarms.

P. Viola, M. Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR 2001.
"""

import threading
from pathlib import Path

import cv2
import numpy as np

from deid.core.errors import DependencyError
from deid.core.types import Detection, Image, check_image


def load_cascade(name: str) -> "cv2.CascadeClassifier":
    """One of the cascades that OpenCV bundles.

    Raises:
        DependencyError: OpenCV 5 has neither the class nor its data.
    """
    path = Path(cv2.__file__).parent / "data" / name
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        raise DependencyError(f"expected OpenCV's {name}, which {cv2.__version__} lacks: pip install 'opencv-python-headless<5'")
    return cv2.CascadeClassifier(str(path))


class HaarDetector:
    """Boxes without landmarks.

    Args:
        min_face: smallest face in pixels.
        neighbours: how many overlapping windows a face needs.
    """

    name = "haar"

    def __init__(self, min_face: int = 20, neighbours: int = 4) -> None:
        self._cascade = load_cascade("haarcascade_frontalface_default.xml")
        self._min_face, self._neighbours = min_face, neighbours
        # OpenCV's cascade keeps state while it runs.
        self._lock = threading.Lock()

    def detect(self, image: Image) -> list[Detection]:
        grey = cv2.equalizeHist(cv2.cvtColor(check_image(image), cv2.COLOR_RGB2GRAY))
        size = (self._min_face, self._min_face)
        with self._lock:
            boxes, _, weights = self._cascade.detectMultiScale3(grey, 1.1, self._neighbours, minSize=size, outputRejectLevels=True)
        found = zip(np.reshape(boxes, (-1, 4)), np.reshape(weights, -1), strict=True)
        # The last stage's weight is no probability; 0 to 8 covers what it takes on photos.
        return [Detection(np.array([x, y, x + w, y + h], float), float(np.clip(v / 8, 0, 1)), None, self.name) for (x, y, w, h), v in found]
