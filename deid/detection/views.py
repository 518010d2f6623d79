"""Views of a photo: turned copies and close looks, and what a detector finds in them.

Convention:
    Degrees count counter-clockwise, as in `numpy.rot90` and Pillow's `rotate`. A turn grows the canvas so that nothing is cut.
"""

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Detection, Image, check_image
from deid.imaging import geometry

#: What a view is looked at with: `Detector.detect` of some detector.
Detect: TypeAlias = Callable[[Image], list[Detection]]

#: A detection of which less lies inside the photo is a reflection at its edge.
_LEAST_INSIDE = 0.3
#: A face that is turned further is searched upright.
_MOST_ROLL = 35.0
#: Size of the patch in which a face is detected again, in boxes: MTCNN needs some surroundings.
_PATCH = 2.2
#: The patch is shrunk to this many pixels: a face is then about 90 px, and detection takes 20 ms.
_PATCH_SIZE = 200


def detect_turned(detect: Detect, image: Image, degrees: float) -> list[Detection]:
    """Faces that a detector finds in a turned image, where they lie in the image itself.

    Args:
        detect: looks at the turned image.
        image: (H, W, 3) uint8 RGB.
        degrees: how far the image is turned, counter-clockwise.

    Returns:
        Detections in pixels of the image as it was given, landmarks too. The box is that of the ellipse that fills the found one.
    """
    turned, matrix = turn(image, degrees)
    found = [turned_by(d, geometry.invert(matrix)) for d in detect(turned)]
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


def turned_by(d: Detection, matrix: geometry.Matrix) -> Detection:
    """A detection in the pixels that a matrix of `turn` leads to; the box is that of the ellipse that fills the given one."""
    low, high = d.box_xyxy[:2], d.box_xyxy[2:]
    # A box's edges are half a pixel off the centres that the matrix maps.
    middle = geometry.apply(matrix, (low + high - 1) / 2) + 0.5
    half = np.sqrt(matrix[:, :2] ** 2 @ ((high - low) / 2) ** 2)
    points = None if d.landmarks is None else geometry.apply(matrix, d.landmarks)
    return Detection(np.concatenate([middle - half, middle + half]), d.score, points, d.detector)


def _share_inside(d: Detection, image: Image) -> float:
    inside = geometry.box_area(geometry.clip_box(d.box_xyxy, image.shape[:2]))
    return float(inside[0] / geometry.box_area(d.box_xyxy)[0])


def roll_of(landmarks: NDArray[np.float64]) -> float:
    """Degrees by which a face with landmarks (5, 2) is turned counter-clockwise from upright, in (-180, 180]."""
    x, y = landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)
    return float(np.rad2deg(np.arctan2(x, y)))


def look_closer(detect: Detect, image: Image, face: Detection, times: float, side: int) -> list[Detection]:
    """What a detector finds in a close view of a face, upright by its landmarks.

    Args:
        detect: looks at the view.
        image: (H, W, 3) uint8 RGB.
        face: what the view is centred on.
        times: how many times the face's box the view is.
        side: pixels that the view's longer side is shrunk or enlarged to.

    Returns:
        Faces in pixels of the image; none when the view has less than 2 x 2 pixels.
    """
    rows, columns = geometry.box_to_slices(geometry.expand_box(face.box_xyxy, times), image.shape[:2])
    view, origin = image[rows, columns], np.array([columns.start, rows.start], float)
    if min(view.shape[:2]) < 2:
        return []
    scale = side / max(view.shape[:2])
    size = (max(1, round(view.shape[1] * scale)), max(1, round(view.shape[0] * scale)))
    close = cv2.resize(view, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    back = np.array(view.shape[1::-1]) / size
    roll = 0.0 if face.landmarks is None else roll_of(face.landmarks)
    # Detectors bear a head on one side, and no more.
    degrees = -roll if abs(roll) > _MOST_ROLL else 0.0
    return [d.moved(back, origin) for d in detect_turned(detect, np.asarray(close, np.uint8), degrees)]


def find_again(detect: Detect, image: Image, detection: Detection) -> tuple[float, Detection | None]:
    """What a detector finds in a face's place in a photo (H, W, 3), with the IoU of the boxes; (0, None) for nothing."""
    found = look_closer(detect, image, detection, _PATCH, _PATCH_SIZE)
    iou = geometry.box_iou(np.array([d.box_xyxy for d in found]), detection.box_xyxy).ravel()
    best = int(iou.argmax()) if found else -1
    return (float(iou[best]), found[best]) if found and iou[best] > 0 else (0.0, None)
