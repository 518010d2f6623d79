"""Detection in photos with a weak signal: motion blur, noise, or strong compression.

At about half its size such a photo is sharper, less noisy and smoother, and its faces are detected again. Ordinary photos are
recognised by the steps from pixel to pixel, and cost nothing more.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Detector
from deid.core.types import Detection, Image

#: Mean steps from pixel to pixel, in units of those at half the size. Of 20 photos of all kinds and 30 of LFW, those that are sharp have
#: 0.55 to 1.04; blurred over 15 px, they have 0.53 and less along the motion, and with noise of sigma 40 1.36 and more.
_BLURRED, _NOISY = 0.535, 1.2
#: Mean steps over the borders of JPEG's blocks, in units of those inside: 1.6 at most in the same photos, 2.7 at least at quality 5.
_BLOCKY = 2.0
_BLOCK, _LEAST_SIDE = 8, 32
#: Scales at which a weak photo is searched again: of 78 faces blurred over 15 px, the half alone leaves 5, all three 2.
HALF, SCALES = 0.5, (0.6, 0.5, 0.4)
#: So much of the middle of a photo tells.
_MIDDLE = 512


def is_weak(image: Image) -> bool:
    """Whether an (H, W, 3) uint8 RGB image is blurred by motion, noisy, or has the blocks of a harsh JPEG."""
    if min(image.shape[:2]) < _LEAST_SIDE:
        return False
    y, x = (max(0, side - _MIDDLE) // 2 // _BLOCK * _BLOCK for side in image.shape[:2])
    grey = cv2.cvtColor(image[y : y + _MIDDLE, x : x + _MIDDLE], cv2.COLOR_RGB2GRAY).astype(np.float32)
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    for whole, small in ((grey, half), (np.ascontiguousarray(grey.T), np.ascontiguousarray(half.T))):
        steps, coarse = _steps(np.asarray(whole)), float(_steps(np.asarray(small)).mean())
        if coarse < 1e-3:
            continue
        steepness = float(steps.mean() / coarse)
        border = np.arange(len(steps)) % _BLOCK == _BLOCK - 1
        if not _BLURRED <= steepness <= _NOISY or steps[border].mean() > _BLOCKY * max(float(steps[~border].mean()), 1e-3):
            return True
    return False


def _steps(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(W - 1,) mean step between neighbouring columns of (H, W)."""
    return np.asarray(np.abs(np.diff(grey, axis=1)).mean(axis=0))


def detect_in_smaller(detector: Detector, image: Image, scales: Sequence[float] = (HALF,)) -> list[Detection]:
    """Faces that a detector finds in an (H, W, 3) uint8 RGB image shrunk to each of these scales, where they lie in the image itself."""
    h, w = image.shape[:2]
    found = []
    for scale in scales:
        size = (max(1, round(w * scale)), max(1, round(h * scale)))
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        found += [d.moved(np.array([w, h]) / size, np.zeros(2)) for d in detector.detect(small)]
    return found
