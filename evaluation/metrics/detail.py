"""Detail: sharpness and grain of a new face, relative to its surroundings."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Image

#: What is coarser than this, in pixels of the photo, is no fine detail.
_SIGMA_PX = 1.5


def fine_detail(image: Image, region: NDArray[np.bool_]) -> float:
    """Root of the energy of fine detail in a region, in grey levels.

    Formula: ``sqrt(mean_region((Y - G * Y)^2))`` with the brightness Y and a Gaussian G of 1.5 px. Direction: none of its own; blur
    lowers it, noise and sharpening raise it. Paper: Y. Zhan, R. Zhang, "No-Reference Image Sharpness Assessment Based on Maximum
    Gradient and Variability of Gradients", IEEE TMM 2018 (reviews energies of this kind).

    Args:
        image: (H, W, 3) uint8 RGB.
        region: (H, W), not empty.
    """
    grey: NDArray[np.float32] = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), _SIGMA_PX)
    return float(np.sqrt(np.square(fine[region]).mean()))


def detail_ratio(before: Image, after: Image, inside: NDArray[np.bool_], around: NDArray[np.bool_]) -> float:
    """Detail of a new face over that of its surroundings, as a multiple of the same in the untouched photo.

    Formula: ``(d_after(inside) / d_after(around)) / (d_before(inside) / d_before(around))`` with `fine_detail` d. What a tool does to
    the whole picture, such as compressing it anew, cancels out. Direction: 1 fits; less is a soft face in a sharp photo, more a sharp
    one in a soft photo. Paper: none; the ratio of ratios is this project's.

    Args:
        before: (H, W, 3) the untouched photo.
        after: (H, W, 3) its output.
        inside: (H, W) where the new face is.
        around: (H, W) what surrounds it.

    Returns:
        The ratio; NaN where one of the regions is empty or has no detail at all.
    """
    if not inside.any() or not around.any():
        return float("nan")
    old, new = (np.array([fine_detail(image, r) for r in (inside, around)]) for image in (before, after))
    if min(old.min(), new[1]) <= 0:
        return float("nan")
    return float(new[0] / new[1] / (old[0] / old[1]))
