"""Whether a face is still there in a frame in which no detector sees it. Behind a hand it is; once its person has gone it is not."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Image
from deid.imaging import geometry

#: A view is compared at so many pixels a side.
_SIDE = 24
#: Two views that agree less do not show the same. A street and a stage have 752 places between two detections. In a quarter the views
#: correlate less; almost all show a wall, a hand or another head.
_ALIKE = 0.5


def view_of(image: Image, box: NDArray[np.float64]) -> NDArray[np.float32]:
    """(24, 24) grey: what a box (4,) shows of a picture (H, W, 3). A box outside of it gives zeros."""
    part = image[geometry.box_to_slices(box, image.shape[:2])]
    if not part.size:
        return np.zeros((_SIDE, _SIDE), np.float32)
    small = cv2.resize(np.ascontiguousarray(part), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def is_alike(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether two views show the same, in any light: the part of SSIM that compares contrast and structure.

    Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004.
    """
    a, b = a - a.mean(), b - b.mean()
    both = float((a * a).sum() + (b * b).sum())
    return 2 * float((a * b).sum()) > _ALIKE * both
