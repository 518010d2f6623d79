"""OpenCV's cascade, and an OpenCV that has none."""

from pathlib import Path

import cv2
import pytest

from deid.core.errors import DependencyError
from deid.core.types import Image
from deid.detection.haar import HaarDetector, load_cascade


def test_face_is_detected(hopper: Image) -> None:
    assert HaarDetector().detect(hopper)


def test_opencv_without_cascades_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(DependencyError, match=r"pip install 'opencv-python-headless<5'"):
        HaarDetector()


def test_an_absent_cascade_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of an OpenCV that has the class and not its data."""
    monkeypatch.setattr(cv2, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(DependencyError, match=r"expected OpenCV's smile\.xml.*opencv-python-headless<5"):
        load_cascade("smile.xml")
