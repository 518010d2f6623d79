import cv2
import numpy as np
import pytest

from evaluation.metrics.landmarks import _HEAD_INDICES, _HEAD_POINTS, angle_difference, head_pose, mouth_opening


@pytest.mark.parametrize("angles_deg", [(0, 0, 0), (25, 0, 0), (0, 15, 0), (0, 0, 20), (-20, 10, 5)])
def test_head_pose_comes_back_from_a_projection(angles_deg: tuple[float, float, float]) -> None:
    yaw, pitch, roll = np.radians(angles_deg)
    turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turn_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    camera = np.array([[256.0, 0, 128], [0, 256, 128], [0, 0, 1]])
    rotation, _ = cv2.Rodrigues(turn_y @ turn_x @ turn_z)
    seen, _ = cv2.projectPoints(_HEAD_POINTS * [1, -1, -1], rotation, np.array([10.0, -5, 600]), camera, None)
    points = np.zeros((68, 2))
    points[_HEAD_INDICES] = seen.reshape(-1, 2)
    assert head_pose(points, (256, 256)) == pytest.approx(angles_deg, abs=0.5)


def test_angles_wrap() -> None:
    assert angle_difference(np.array([179.0, 10.0]), np.array([-179.0, -10.0])) == pytest.approx([2.0, 20.0])


def test_mouth_opening_is_in_eye_widths() -> None:
    points = np.zeros((68, 2))
    points[45], points[66] = [40.0, 0.0], [0.0, 10.0]
    assert mouth_opening(points) == 0.25
