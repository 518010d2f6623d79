"""Landmarks, head pose and mouth: change of direction and expression."""

import cv2
import numpy as np
from numpy.typing import NDArray

#: Six of the 68 points on a mean head, in millimetres, x to the subject's left, y up, z out of the face.
_HEAD_POINTS = np.array(
    [[0.0, 0.0, 0.0], [0.0, -63.6, -12.5], [-43.3, 32.7, -26.0], [43.3, 32.7, -26.0], [-28.9, -28.9, -24.1], [28.9, -28.9, -24.1]]
)
#: The same points among the 68: nose tip, chin, outer eye corners, mouth corners (right in the subject's sense first).
_HEAD_INDICES = [30, 8, 36, 45, 48, 54]


def head_pose(points: NDArray[np.float64], size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Yaw, pitch and roll in degrees from 68 points.

    Formula: perspective-n-point on six of the points with a mean head and a pinhole camera of focal length = image width,
    then Euler angles. Direction: none; the mean absolute difference before to after is what is reported, lower means more use.
    Paper: V. Lepetit, F. Moreno-Noguer, P. Fua, "EPnP", IJCV 2009; iterative refinement as in OpenCV.

    Args:
        points: (68, 2) pixels.
        size_hw: of the image that they lie in.

    Returns:
        (3,) degrees: yaw to the picture's right, pitch down, roll clockwise are positive.
    """
    h, w = size_hw
    camera = np.array([[w, 0, w / 2], [0, w, h / 2], [0, 0, 1]], np.float64)
    # OpenCV's camera looks along +z with y down: turn the head model to face it.
    model = _HEAD_POINTS * [1.0, -1.0, -1.0]
    start = np.zeros((3, 1)), np.array([[0.0], [0.0], [1000.0]])
    _, rotation, _ = cv2.solvePnP(model, points[_HEAD_INDICES], camera, None, *start, useExtrinsicGuess=True, flags=cv2.SOLVEPNP_ITERATIVE)
    matrix, _ = cv2.Rodrigues(rotation)
    return np.degrees(
        [np.arctan2(matrix[0, 2], matrix[2, 2]), np.arcsin(np.clip(-matrix[1, 2], -1, 1)), np.arctan2(matrix[1, 0], matrix[1, 1])]
    )


def angle_difference(a_deg: NDArray[np.float64], b_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute difference of angles in degrees, in [0, 180].

    Formula: ``|((a - b + 180) mod 360) - 180|``. Direction: lower means more use.
    Paper: K. Mardia, P. Jupp, "Directional Statistics", 2000.
    """
    return np.asarray(np.abs((a_deg - b_deg + 180.0) % 360.0 - 180.0))


def mouth_opening(points: NDArray[np.float64]) -> float:
    """Gap between the inner lips over the distance of the outer eye corners, from 68 points.

    Formula: ``|p_62 - p_66| / |p_36 - p_45|``. Direction: none; the mean absolute difference before to after is reported.
    Paper: after the eye aspect ratio of T. Soukupova, J. Cech, 2016.

    Args:
        points: (68, 2) pixels.
    """
    width = float(np.linalg.norm(points[36] - points[45]))
    return float(np.linalg.norm(points[62] - points[66])) / max(width, 1e-6)
