"""Landmarks of one face, smoothed over time: jitter is removed, motion is followed.

G. Casiez, N. Roussel, D. Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems", CHI 2012.
"""

import numpy as np
from numpy.typing import NDArray

#: Cutoff at rest and its growth with speed, in cycles a frame; speeds are in face widths a frame.
_AT_REST, _WITH_SPEED = 0.03, 4.0
#: Cutoff of the speed itself.
_OF_SPEED = 0.2


class LandmarkFilter:
    """Follows the landmarks of one track, frame after frame."""

    def __init__(self) -> None:
        self._shape: NDArray[np.float64] | None = None
        self._speed: NDArray[np.float64] = np.zeros((68, 2))

    def __call__(self, shape: NDArray[np.float64]) -> NDArray[np.float64]:
        """Landmarks (68, 2) in pixels of the next frame, smoothed."""
        if self._shape is None:
            self._shape = shape
        else:
            width = max(1.0, float(np.ptp(shape[:, 0])))
            # The head's own motion is followed at once; only what each point does beside it is smoothed.
            moved = self._shape + np.median(shape - self._shape, axis=0)
            self._speed += _share(_OF_SPEED) * ((shape - moved) / width - self._speed)
            cutoff = _AT_REST + _WITH_SPEED * np.linalg.norm(self._speed, axis=1, keepdims=True)
            self._shape = moved + _share(cutoff) * (shape - moved)
        return self._shape


def _share(cutoff: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Weight of the newest value in a low-pass filter with a cutoff in cycles a sample."""
    rate = 2 * np.pi * np.asarray(cutoff, np.float64)
    return np.asarray(rate / (rate + 1))
