"""Detection at further turns, for people who lie or hang, and for photos from the side of a phone that no EXIF turns upright.

Convention:
    Degrees count counter-clockwise, as in `numpy.rot90` and Pillow's `rotate`. A turn grows the canvas so that nothing is cut.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid import geometry
from deid.protocols import Detector
from deid.structures import Detection, Image, check_image

#: A detection of which less lies inside the photo is a reflection at its edge.
_LEAST_INSIDE = 0.3


def detect_turned(detector: Detector, image: Image, degrees: float) -> list[Detection]:
    """Faces that a detector finds in a turned image, where they lie in the image itself.

    Args:
        detector: looks at the turned image.
        image: (H, W, 3) uint8 RGB.
        degrees: how far the image is turned, counter-clockwise.

    Returns:
        Detections in pixels of the image as it was given, landmarks too. The box is that of the ellipse that fills the found one.
    """
    turned, matrix = turn(image, degrees)
    found = [_turned_back(d, geometry.invert(matrix)) for d in detector.detect(turned)]
    return [d for d in found if _share_inside(d, image) >= _LEAST_INSIDE]


def turn(image: Image, degrees: float) -> tuple[Image, geometry.Matrix]:
    """An image turned counter-clockwise, and the matrix (2, 3) from its pixels to the turned ones.

    Quarter turns move pixels; others interpolate, and mirror the image into the corners.
    """
    h, w = check_image(image).shape[:2]
    angle = np.deg2rad(degrees)
    cos, sin = round(float(np.cos(angle)), 12), round(float(np.sin(angle)), 12)
    linear = np.array([[cos, sin], [-sin, cos]])
    size = np.maximum(1, np.ceil(np.abs(linear) @ [w, h] - 1e-6)).astype(int)
    # A pixel's centre is at an integer: the middle of the image is at (w - 1) / 2.
    matrix = np.column_stack([linear, (size - 1) / 2 - linear @ (np.array([w, h]) - 1) / 2])
    if degrees % 90 == 0:
        return np.ascontiguousarray(np.rot90(image, round(degrees / 90))), matrix
    turned = cv2.warpAffine(image, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, np.uint8), matrix


def _turned_back(d: Detection, back: geometry.Matrix) -> Detection:
    low, high = d.box_xyxy[:2], d.box_xyxy[2:]
    # A box's edges are half a pixel off the centres that the matrix maps.
    middle = geometry.apply(back, (low + high - 1) / 2) + 0.5
    half = np.sqrt(back[:, :2] ** 2 @ ((high - low) / 2) ** 2)
    points = None if d.landmarks is None else geometry.apply(back, d.landmarks)
    return Detection(np.concatenate([middle - half, middle + half]), d.score, points, d.detector)


def _share_inside(d: Detection, image: Image) -> float:
    inside = geometry.box_area(geometry.clip_box(d.box_xyxy, image.shape[:2]))
    return float(inside[0] / geometry.box_area(d.box_xyxy)[0])


def roll_of(landmarks: NDArray[np.float64]) -> float:
    """Degrees by which a face with landmarks (5, 2) is turned counter-clockwise from upright, in (-180, 180]."""
    x, y = landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)
    return float(np.rad2deg(np.arctan2(x, y)))
