"""Detection: does a detector still find the faces, in the same place?"""

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


def points_within(predicted: NDArray[np.float64], labelled: NDArray[np.float64], radius_px: float) -> bool:
    """Whether every predicted point lies within a radius of its labelled one.

    Formula: ``max_i |p_i - q_i| <= r``. Direction: true means the face is found; its mean over photos is the success rate, and
    higher means a better detector. The radius is in pixels of the photo: it says little without the size of the face.
    Paper: O. Jesorsky, K. Kirchberg, R. Frischholz, "Robust Face Detection Using the Hausdorff Distance", AVBPA 2001 (largest
    error of a point).

    Args:
        predicted: (K, 2) pixels.
        labelled: (K, 2) pixels.
        radius_px: of the circle around each labelled point; its edge counts.
    """
    return bool((np.linalg.norm(predicted - labelled, axis=-1) <= radius_px).all())
