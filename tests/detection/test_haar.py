"""OpenCV's cascade, and an OpenCV that has none."""

import cv2
import pytest

from deid.core.errors import DependencyError
from deid.core.types import Image
from deid.detection.haar import HaarDetector


def test_face_is_found(hopper: Image) -> None:
    assert HaarDetector().detect(hopper)


def test_opencv_without_cascades_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(DependencyError, match=r"pip install 'opencv-python-headless<5'"):
        HaarDetector()
