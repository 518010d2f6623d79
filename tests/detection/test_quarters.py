"""Turned pictures: what is found in them comes back to where it lies."""

import numpy as np
import pytest

from deid.core.types import Detection, Image
from deid.detection.mtcnn import MtcnnDetector
from deid.detection.quarters import TURNS, turn_box, turn_detection, turn_image
from deid.detection.views import detect_turned
from deid.imaging.geometry import box_iou


class _Square:
    """Finds the bright square, and marks its upper left corner, which only an upright square has red."""

    name = "square"

    def detect(self, image: Image) -> list[Detection]:
        ys, xs = np.nonzero(image[..., 1] > 200)
        red = np.argwhere((image[..., 0] > 200) & (image[..., 1] < 100))[0][::-1]
        points = np.tile(red.astype(float), (5, 1))
        return [Detection(np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float), 0.9, points, self.name)]


@pytest.mark.parametrize("degrees", TURNS)
def test_boxes_and_landmarks_come_back(degrees: int) -> None:
    image = np.zeros((40, 70, 3), np.uint8)
    image[8:20, 30:50] = 220
    image[3, 61] = (255, 0, 0)
    (d,) = detect_turned(_Square().detect, image, degrees)
    assert d.box_xyxy.tolist() == [30, 8, 50, 20]
    assert d.landmarks is not None
    assert d.landmarks[0].tolist() == [61, 3]


@pytest.mark.parametrize("degrees", TURNS)
def test_turning_there_and_back_is_nothing(degrees: int) -> None:
    points = np.array([[3.0, 4], [9, 4], [6, 7], [4, 10], [8, 10]])
    face = Detection(np.array([2.0, 3, 10, 14]), 0.8, points, "x")
    size = turn_image(np.zeros((40, 70, 3), np.uint8), degrees).shape[:2]
    back = turn_detection(turn_detection(face, degrees, (40, 70)), -degrees, size)
    assert back.box_xyxy.tolist() == face.box_xyxy.tolist()
    assert back.landmarks is not None
    assert back.landmarks.tolist() == points.tolist()


def test_a_quarter_is_counter_clockwise() -> None:
    """What is at the right goes to the top."""
    assert turn_box(np.array([60.0, 10, 70, 20]), 90, (40, 70)).tolist() == [10, 0, 20, 10]


def test_other_angles_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 90"):
        turn_image(np.zeros((4, 4, 3), np.uint8), 45)


def test_a_real_face_on_its_side_is_found(hopper: Image, mtcnn: MtcnnDetector, officer: Detection) -> None:
    lying = turn_image(hopper, 270)
    (d,) = [d for d in detect_turned(mtcnn.detect, lying, 90) if d.score > 0.9]
    expected = turn_detection(officer, 270, hopper.shape[:2])
    assert box_iou(d.box_xyxy, expected.box_xyxy)[0, 0] > 0.9
    assert d.landmarks is not None
    assert expected.landmarks is not None
    assert np.abs(d.landmarks - expected.landmarks).max() < 3
