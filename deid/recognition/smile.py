"""Whether a face smiles, read from its landmarks by logistic regression.

A new face takes the mouth of a portrait: one that smiles does not suit somebody who speaks or frowns, however wide the mouth is.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from deid.recognition.linear import LinearReader

#: Jaw, nostrils, eyes and mouth; their middle is that of the eyes, and the unit is the distance of the eyes, 36 pixels of a crop.
_POINTS = [*range(3, 14), *range(31, 68)]
_EYES, _UNIT = slice(36, 48), 36.0
#: How many numbers are read of a face.
N_FEATURES = 2 * len(_POINTS)


def features(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Landmarks (N, 68, 2) in pixels of an aligned crop to what is read, (N, N_FEATURES)."""
    middle = points[:, _EYES].mean(axis=1, keepdims=True)
    return np.asarray(((points - middle) / _UNIT)[:, _POINTS].reshape(len(points), N_FEATURES))


class SmileReader(LinearReader):
    """Distinguishes faces that smile."""

    file = "smile"
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {"weight": (N_FEATURES,), "bias": (1,)}

    def smile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Landmarks (N, 68, 2) in pixels of an aligned crop to the probability of a smile (N,)."""
        return self.probability(np.asarray(features(points), np.float32))
