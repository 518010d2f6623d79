"""Detection in photos with a weak signal: motion blur, noise, or strong compression.

At about half its size such a photo is sharper, less noisy and smoother, and its faces are detected again. Ordinary photos are
recognised by the steps from pixel to pixel, and cost nothing more.
"""

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.merge import SAME_IOU
from deid.imaging import geometry

Signal = Literal["ordinary", "blurred", "coarse"]

#: Mean steps from pixel to pixel, in units of those at half the size. Of 20 photos of all kinds and 30 of LFW, those that are sharp have
#: 0.55 to 1.04; blurred over 15 px, they have 0.53 and less along the motion, and with noise of sigma 40 1.36 and more.
_BLURRED, _NOISY = 0.535, 1.2
#: Mean steps over the borders of JPEG's blocks, in units of those inside: 1.6 at most in the same photos, 2.7 at least at quality 5.
_BLOCKY = 2.0
_BLOCK, _LEAST_SIDE = 8, 32
#: Scales at which a weak photo is searched again: of 78 faces blurred over 15 px, the half alone leaves 5, all three 2.
HALF, SCALES = 0.5, (0.6, 0.5, 0.4)
#: From this score on one scale is enough. Noise and blocks look like faces now and then, but seldom at two scales: of 46 such photos
#: without a face, the three scales cover 8 places, with this rule 2.
_SURE = 0.6
#: So much of the middle of a photo tells.
_MIDDLE = 512


def signal_of(image: Image) -> Signal:
    """Whether an (H, W, 3) uint8 RGB image is blurred by motion, or coarse: noisy, or with the blocks of a harsh JPEG."""
    if min(image.shape[:2]) < _LEAST_SIDE:
        return "ordinary"
    y, x = (max(0, side - _MIDDLE) // 2 // _BLOCK * _BLOCK for side in image.shape[:2])
    grey = cv2.cvtColor(image[y : y + _MIDDLE, x : x + _MIDDLE], cv2.COLOR_RGB2GRAY).astype(np.float32)
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    found = {_along(np.asarray(a), np.asarray(b)) for a, b in ((grey, half), (np.ascontiguousarray(grey.T), np.ascontiguousarray(half.T)))}
    return "coarse" if "coarse" in found else "blurred" if "blurred" in found else "ordinary"


def _along(whole: NDArray[np.float32], half: NDArray[np.float32]) -> Signal:
    """What the steps along the rows of a grey image say, beside those of half its size."""
    steps, smaller = _steps(whole), float(_steps(half).mean())
    if smaller < 1e-3:
        return "ordinary"
    steepness = float(steps.mean() / smaller)
    border = np.arange(len(steps)) % _BLOCK == _BLOCK - 1
    if steepness > _NOISY or steps[border].mean() > _BLOCKY * max(float(steps[~border].mean()), 1e-3):
        return "coarse"
    return "blurred" if steepness < _BLURRED else "ordinary"


def _steps(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(W - 1,) mean step between neighbouring columns of (H, W)."""
    return np.asarray(np.abs(np.diff(grey, axis=1)).mean(axis=0))


def detect_in_smaller(detector: Detector, image: Image, signal: Signal) -> list[Detection]:
    """Faces that a detector finds in smaller copies of an image, where they lie in the image itself.

    Args:
        detector: looks at each copy.
        image: (H, W, 3) uint8 RGB.
        signal: of this image. A blurred one is searched at three scales, and everything counts; of a coarse one what is sure or found at
            two scales, and of an ordinary one what is sure at half its size.
    """
    if signal == "ordinary":
        return [d for d in _shrunk(detector, image, HALF) if d.score >= _SURE]
    found = [_shrunk(detector, image, scale) for scale in SCALES]
    every = [d for own in found for d in own]
    return every if signal == "blurred" else [d for d in every if d.score >= _SURE or _n_scales(d, found) > 1]


def _n_scales(face: Detection, found: Sequence[Sequence[Detection]]) -> int:
    """At how many scales a face is found."""
    return sum(any(geometry.box_iou(d.box_xyxy, face.box_xyxy)[0, 0] > SAME_IOU for d in own) for own in found)


def _shrunk(detector: Detector, image: Image, scale: float) -> list[Detection]:
    h, w = image.shape[:2]
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return [d.moved(np.array([w, h]) / size, np.zeros(2)) for d in detector.detect(small)]
