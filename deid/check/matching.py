"""Matching of faces before to faces after."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from deid.imaging.geometry import box_iou


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Which boxes of two sets belong together.

    Args:
        iou_a: (N,) overlap of each box of the first set with its partner, 0 without one.
        partner_a: (N,) index of the partner in the second set, -1 without one.
        iou_b: (M,) the same for the second set.
    """

    iou_a: NDArray[np.float64]
    partner_a: NDArray[np.int64]
    iou_b: NDArray[np.float64]


def match_boxes(a: NDArray[np.float64], b: NDArray[np.float64], least_iou: float = 0.5) -> Matches:
    """One-to-one assignment of boxes that maximises the summed overlap.

    Formula: the Hungarian assignment on IoU; pairs under ``least_iou`` do not count.
    Recall is the mean of ``partner_a >= 0`` when ``a`` are the reference boxes, precision the mean of ``iou_b > 0``; the
    mean of ``iou_a`` is the overlap with misses counted as 0.
    Direction: higher means more use. Paper: M. Everingham et al., "The PASCAL VOC Challenge", 2010, section 4.2.

    Args:
        a: (N, 4) boxes, such as those of the untouched photo.
        b: (M, 4) boxes, such as those of the output.
        least_iou: overlap under which two boxes are not one face.
    """
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    overlap = box_iou(a, b)
    iou_a, partner, iou_b = np.zeros(len(a)), np.full(len(a), -1), np.zeros(len(b))
    for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
        if overlap[i, j] >= least_iou:
            iou_a[i], partner[i], iou_b[j] = overlap[i, j], j, overlap[i, j]
    return Matches(iou_a, partner.astype(np.int64), iou_b)


def interocular(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance between the eyes of landmarks (..., 5, 2), in pixels.

    Formula: ``|e_left - e_right|``. Direction: none; errors are divided by it, so that near and far faces count alike.
    Paper: O. Jesorsky, K. Kirchberg, R. Frischholz, "Robust Face Detection Using the Hausdorff Distance", AVBPA 2001.
    """
    return np.asarray(np.linalg.norm(points[..., 1, :] - points[..., 0, :], axis=-1))


def landmark_error(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean distance of five landmarks, in inter-ocular distances of the face before.

    Formula: ``NME = (1 / 5) sum_i |p_i - q_i| / |e_left - e_right|``. Direction: lower means more use.
    Paper: V. Le et al., "Interactive Facial Feature Localization", ECCV 2012 (normalised mean error).

    Args:
        before: (..., 5, 2) pixels.
        after: (..., 5, 2) pixels, of the same photo.
    """
    distance = np.linalg.norm(before - after, axis=-1).mean(axis=-1)
    return np.asarray(distance / np.maximum(interocular(before), 1e-6))
