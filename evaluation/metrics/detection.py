"""Detection: recall of a detector on labelled points of faces."""

import numpy as np
from numpy.typing import NDArray


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
