"""Quarter turns of pictures, and of their boxes and landmarks.

Convention:
    Turns are multiples of 90 degrees, counter-clockwise as seen. Boxes are continuous, landmarks are centres of pixels, as everywhere
    (see `deid.imaging.geometry`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Detection, Image

#: The turns that a picture can be searched at.
TURNS = (0, 90, 180, 270)


def turn_image(image: Image, degrees: int) -> Image:
    """An image (H, W, 3) turned counter-clockwise by a multiple of 90 degrees; itself where nothing turns."""
    quarters = _quarters(degrees)
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def turn_detection(detection: Detection, degrees: int, size_hw: tuple[int, int]) -> Detection:
    """Where a detection of an image of ``size_hw`` pixels lies once the image is turned."""
    if not _quarters(degrees):
        return detection
    points = detection.landmarks
    marks = None if points is None else _turn(points, degrees, (size_hw[0] - 1, size_hw[1] - 1))
    return Detection(turn_box(detection.box_xyxy, degrees, size_hw), detection.score, marks, detection.detector)


def turn_box(box: NDArray[np.float64], degrees: int, size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Where a box (4,) of an image of ``size_hw`` pixels lies once the image is turned."""
    corners = _turn(np.asarray(box, np.float64).reshape(2, 2), degrees, size_hw)
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _turn(points: NDArray[np.float64], degrees: int, size_hw: Sequence[float]) -> NDArray[np.float64]:
    """Points (N, 2), turned with the frame from (0, 0) to its far corner."""
    h, w = size_hw
    x, y = points[:, 0], points[:, 1]
    turned = {0: (x, y), 1: (y, w - x), 2: (w - x, h - y), 3: (h - y, x)}[_quarters(degrees)]
    return np.column_stack(turned)


def _quarters(degrees: int) -> int:
    if degrees % 90:
        raise ValueError(f"expected a multiple of 90 degrees, got {degrees}")
    return degrees // 90 % 4
