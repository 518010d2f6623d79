"""The value of a new face: private, detected again, and like a photo."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Distances beyond this many thresholds count as this many: distance alone selects noise.
_DISTANCE_CAP = 1.5


def utility(distance: ArrayLike, realism: ArrayLike, iou: ArrayLike = 1.0, score: ArrayLike = 1.0) -> NDArray[np.float64]:
    """Utility of a new face: ``score * iou * min(distance, cap) * realism``, elementwise.

    This is the thesis's utility, with realism as a factor.

    Args:
        distance: to the source, in thresholds of the recogniser.
        realism: the critic's score, in [0, 1].
        iou: overlap of the boxes before and after, in [0, 1]; 1 without a detector.
        score: the detector's probability of a face, in [0, 1].

    Returns:
        Utility of the arguments' common shape; higher is better.
    """
    capped = np.minimum(np.asarray(distance, np.float64), _DISTANCE_CAP)
    return np.asarray(capped * np.asarray(realism) * np.asarray(iou) * np.asarray(score), np.float64)
