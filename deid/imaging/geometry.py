"""Boxes and similarity transforms, as pure functions of arrays.

Convention:
    Coordinates are float pixels, origin at the top-left corner of the image, x to the right, y down. A box is
    ``(x_min, y_min, x_max, y_max)`` with an exclusive max edge, so that its width is ``x_max - x_min``. A pixel's
    centre lies at integer coordinates, as in OpenCV's warps. A transform is a (2, 3) matrix ``M`` that maps a
    column vector ``(x, y, 1)``.
"""

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Boxes: TypeAlias = NDArray[np.float64]
Points: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = NDArray[np.float64]

#: So many boxes are compared with each other at a time.
_NMS_BLOCK = 256


def box_area(boxes: Boxes) -> NDArray[np.float64]:
    """Area of boxes (N, 4) in square pixels, shape (N,); an empty box has area 0."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(size.prod(axis=1))


def box_intersection(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Overlap in square pixels of every box of ``a`` (N, 4) with every box of ``b`` (M, 4), shape (N, M)."""
    a = np.asarray(a, np.float64).reshape(-1, 4)[:, None]
    b = np.asarray(b, np.float64).reshape(-1, 4)[None]
    size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return np.asarray(np.maximum(size, 0.0).prod(axis=-1))


def box_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Intersection over union of every box of ``a`` (N, 4) with every box of ``b`` (M, 4), shape (N, M), in [0, 1]."""
    overlap = box_intersection(a, b)
    union = box_area(a)[:, None] + box_area(b)[None] - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def nms(boxes: Boxes, scores: NDArray[np.float64], iou: float, contained: float = 1.1) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) boxes.
        scores: (N,) scores; the higher one stays.
        iou: a box that overlaps a kept one by more than this goes.
        contained: a box of which more than this share lies inside a kept one goes too (over 1: never).

    Returns:
        Indices of the kept boxes, best first.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    keep: list[int] = []
    # In blocks: all pairs of some ten thousand boxes, as of a huge picture, would take gigabytes.
    for start in range(0, len(order), _NMS_BLOCK):
        block = order[start : start + _NMS_BLOCK]
        block = block[~_covers(boxes[keep], boxes[block], iou, contained).any(axis=0)]
        covers = _covers(boxes[block], boxes[block], iou, contained)
        own: list[int] = []
        for i in range(len(block)):
            if not any(covers[k, i] for k in own):
                own.append(i)
        keep += block[own].tolist()
    return keep


def _covers(a: Boxes, b: Boxes, iou: float, contained: float) -> NDArray[np.bool_]:
    """(N, M): whether a box of ``a`` that is kept makes one of ``b`` go, see `nms`."""
    inside = box_intersection(a, b) / np.maximum(np.minimum(box_area(a)[:, None], box_area(b)[None]), 1e-9)
    return np.asarray(~((box_iou(a, b) <= iou) & (inside <= contained)))


def expand_box(box: Boxes, factor: float) -> Boxes:
    """A box (4,) scaled about its centre by ``factor``."""
    box = np.asarray(box, np.float64)
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    return np.concatenate([centre - half * factor, centre + half * factor])


def clip_box(box: Boxes, size_hw: tuple[int, int]) -> Boxes:
    """A box (4,), or several (N, 4), cut to an image of ``size_hw`` pixels."""
    h, w = size_hw
    return np.clip(np.asarray(box, np.float64), 0.0, [w, h, w, h])


def box_to_slices(box: Boxes, size_hw: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of every pixel that a box touches: rounded outward, so that no border row stays exposed."""
    h, w = size_hw
    x0, y0 = np.floor(box[:2]).astype(int)
    x1, y1 = np.ceil(box[2:]).astype(int)
    return slice(min(max(y0, 0), h), max(min(y1, h), 0)), slice(min(max(x0, 0), w), max(min(x1, w), 0))


def share_inside(box: Boxes, size_hw: tuple[int, int]) -> float:
    """Share of a box's area that lies inside an image."""
    return float(box_area(clip_box(box, size_hw))[0] / box_area(box)[0])


def share_of_middle(box: Boxes, where: NDArray[np.bool_]) -> float:
    """Share of the middle of a box, three fifths of its sides, that a map (H, W) marks; 1 when the middle lies outside the map."""
    middle = where[box_to_slices(expand_box(box, 0.6), (where.shape[0], where.shape[1]))]
    return float(middle.mean()) if middle.size else 1.0


def fit_similarity(source: Points, target: Points) -> Matrix:
    """Least-squares similarity (rotation, uniform scale, shift) that takes ``source`` (N, 2) to ``target`` (N, 2).

    Returns:
        (2, 3) matrix. Reflections are excluded: a mirrored face stays mirrored.

    Raises:
        ValueError: all source points coincide.

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991, eq. 40-42.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    mean_s, mean_t = source.mean(axis=0), target.mean(axis=0)
    s, t = source - mean_s, target - mean_t
    variance = (s**2).sum() / len(s)
    if variance < 1e-12:
        raise ValueError(f"expected at least two distinct points, got {source.tolist()}")
    u, d, vt = np.linalg.svd(t.T @ s / len(s))
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = u @ np.diag(sign) @ vt
    scale = (d * sign).sum() / variance
    linear = scale * rotation
    return np.column_stack([linear, mean_t - linear @ mean_s])


def after(second: Matrix, first: Matrix) -> Matrix:
    """Two (2, 3) transforms, one after the other, as one."""
    return np.column_stack([second[:, :2] @ first[:, :2], apply(second, first[:, 2])])


def invert(matrix: Matrix) -> Matrix:
    """Inverse of a (2, 3) transform."""
    linear = np.linalg.inv(np.asarray(matrix, np.float64)[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply(matrix: Matrix, points: Points) -> Points:
    """Points (..., 2) taken through a (2, 3) transform."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def scale_of(matrix: Matrix) -> float:
    """Uniform scale of a similarity transform: target pixels per source pixel."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def scaled(field: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """A smooth square field (s, s, ...) at (size, size, ...)."""
    if field.shape[0] == size:
        return field
    return np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def averaged(image: NDArray[Any], size: int) -> NDArray[np.float32]:
    """An image (s, s, ...) at a smaller (size, size, ...), each pixel the mean of those that it takes the place of."""
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def of_part(matrix: Matrix, rows: slice, columns: slice) -> Matrix:
    """A transform (2, 3) from an image as one from these rows and columns of it alone."""
    part = matrix.copy()
    part[:, 2] = apply(matrix, np.array([columns.start, rows.start], float))
    return part


def enlarged(matrix: Matrix, factor: float) -> Matrix:
    """A transform (2, 3) to pixels of a crop that is ``factor`` times as large: pixel centres lie at integers in both."""
    matrix = np.asarray(matrix, np.float64) * factor
    matrix[:, 2] += (factor - 1) / 2
    return matrix
