"""Alignment: upright crops of one size, and the matrices back to the photo."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import AlignedFace, Detection, Image
from deid.imaging import geometry
from deid.imaging.template import BOX_LANDMARKS, MOST_TIMES, SIZE, TEMPLATE

#: A face whose eyes lie less than this share of their distance to the mouth apart is seen from the side: 1 of 430 LFW photos of
#: validation people, with 0.42, the next one 0.60; half of them have more than 0.91.
_FROM_THE_SIDE = 0.55


def landmarks_of(detection: Detection) -> NDArray[np.float64]:
    """The detection's landmarks (5, 2), or those of a mean upright face in its box."""
    if detection.landmarks is not None:
        return detection.landmarks
    low, high = detection.box_xyxy[:2], detection.box_xyxy[2:]
    return np.asarray(low + BOX_LANDMARKS * (high - low))


def is_profile(detection: Detection) -> bool:
    """Whether the face is seen from the side, where a frontal crop of it shows an ear and the wall; False without landmarks."""
    if detection.landmarks is None:
        return False
    right, left, _, *mouth = detection.landmarks
    down = np.linalg.norm(np.mean(mouth, axis=0) - (right + left) / 2)
    return bool(np.linalg.norm(left - right) < _FROM_THE_SIDE * down)


def with_own_landmarks(detection: Detection) -> Detection:
    """A detection without landmarks that are another face's: the edit would land there and leave this box exposed."""
    if detection.landmarks is None:
        return detection
    middle, box = detection.landmarks.mean(axis=0), detection.box_xyxy
    inside = (box[:2] <= middle).all() and (middle <= box[2:]).all()
    return detection if inside else replace(detection, landmarks=None)


def align_matrix(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarity (2, 3) from pixels of the photo to pixels of the crop, for landmarks (5, 2)."""
    return geometry.fit_similarity(landmarks, TEMPLATE)


def warp(image: Image, matrix: NDArray[np.float64], size: int = SIZE, how: int = cv2.INTER_LINEAR) -> NDArray[np.uint8]:
    """A crop (size, size, 3) of an image through a similarity (2, 3); what lies outside repeats the border.

    Enlarging keeps more detail with ``how`` cubic. Shrinking by more than two goes through an area average first, or fine texture
    would turn into noise.
    """
    scale = geometry.scale_of(matrix)
    if scale < 0.5:
        factor = int(1 / scale)
        corners = geometry.apply(geometry.invert(matrix), np.array([[0.0, 0], [size, 0], [0, size], [size, size]]))
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - factor, 0)
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + factor, [image.shape[1], image.shape[0]])
        if (high - low < factor).any():
            return np.zeros((size, size, 3), np.uint8)
        part = image[low[1] : high[1], low[0] : high[0]]
        h, w = (part.shape[0] // factor) * factor, (part.shape[1] // factor) * factor
        small = cv2.resize(part[:h, :w], (w // factor, h // factor), interpolation=cv2.INTER_AREA)
        # Pixel centres are at integers: the centre of the first block of `factor` pixels is (factor - 1) / 2.
        to_full = np.array([[factor, 0, low[0] + (factor - 1) / 2], [0, factor, low[1] + (factor - 1) / 2]])
        image, matrix = np.asarray(small, np.uint8), np.column_stack([matrix[:, :2] * factor, geometry.apply(matrix, to_full[:, 2])])
    crop = cv2.warpAffine(image, matrix, (size, size), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)


def at_photo_scale(image: Image, matrix: NDArray[np.float64], finer: float = 0.3) -> Image:
    """The crop (n, n, 3) that a matrix of `align_matrix` leads to, a little finer than the photo, n is a multiple of 128, 512 at most;
    ``finer`` is by how much at least, in times of 128."""
    times = int(np.clip(np.ceil(1 / geometry.scale_of(matrix) + finer), 1, MOST_TIMES))
    # Linear would take a seventh of the fine detail away on the way there and back.
    return warp(image, geometry.enlarged(matrix, times), times * SIZE, cv2.INTER_CUBIC)


def align(image: Image, detection: Detection) -> AlignedFace:
    """The upright crop (128, 128, 3) of one face.

    Examples:
        >>> face = align(image, detection)
        >>> face.crop.shape
        (128, 128, 3)
    """
    matrix = align_matrix(landmarks_of(detection))
    return AlignedFace(warp(image, matrix), matrix, detection)
