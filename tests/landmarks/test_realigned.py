"""A crop by 68 landmarks shows a face alike, however the detector's five lie."""

from dataclasses import replace

import numpy as np
import pytest

from deid.core.types import Detection, Image
from deid.imaging.alignment import align
from deid.landmarks.face_points import FacePoints
from deid.landmarks.realigned import realigned


def _turned(detection: Detection, angle_deg: float, scale: float) -> Detection:
    """A detection whose landmarks are turned and enlarged about their middle."""
    assert detection.landmarks is not None
    middle, angle = detection.landmarks.mean(axis=0), np.deg2rad(angle_deg)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return replace(detection, landmarks=middle + (detection.landmarks - middle) @ turn.T)


@pytest.mark.parametrize(("angle_deg", "scale"), [(7.0, 1.0), (-7.0, 1.0), (0.0, 1.1), (0.0, 0.9)])
@pytest.mark.parametrize("who", ["woman", "officer"])
def test_landmarks_that_are_a_little_off_change_less(who: str, angle_deg: float, scale: float, request: pytest.FixtureRequest) -> None:
    image: Image = request.getfixturevalue({"woman": "astronaut", "officer": "hopper"}[who])
    face: Detection = request.getfixturevalue(who)
    off = _turned(face, angle_deg, scale)
    before = np.abs(align(image, face).crop.astype(float) - align(image, off).crop).mean()
    after = np.abs(realigned(image, face).astype(float) - realigned(image, off)).mean()
    assert after < before / 2


@pytest.mark.parametrize("who", ["woman", "officer"])
def test_features_lie_where_the_recognisers_expect_them(who: str, request: pytest.FixtureRequest) -> None:
    image: Image = request.getfixturevalue({"woman": "astronaut", "officer": "hopper"}[who])
    points = FacePoints()
    found = points.points(realigned(image, request.getfixturevalue(who)))
    middle = np.array([found[36:42].mean(axis=0), found[42:48].mean(axis=0)])
    assert np.abs(middle - [[46, 56], [82, 56]]).max() < 4
    assert np.abs(found[27:48] - points.mean()[27:48]).mean() < 3


def test_a_picture_without_a_face_gives_a_crop() -> None:
    # A detection of nobody must not stop a run.
    face = Detection(np.array([20.0, 20, 80, 80]), 0.99)
    assert realigned(np.full((100, 100, 3), 128, np.uint8), face).shape == (128, 128, 3)
