"""dlib's 68 landmarks of a face in an aligned crop, for masks that follow the face.

V. Kazemi, J. Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees", CVPR 2014.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.core.remembered import remembered
from deid.landmarks.dlib_file import landmark_arrays
from deid.landmarks.forest import Forest
from deid.weights.cached_arrays import cached_arrays

#: Where the boxes that the model was trained with lie in an aligned crop of 128 px (median over LFW).
_BOX = (18, 27, 107, 117)
#: Where a box of side 1 lies in an aligned crop so that the model's mean face in it lies as LFW's faces do.
_MEAN_BOX = (20.3, 29.7, 105.9, 115.3)
_FILE = "shape_predictor_68_face_landmarks.dat"


class FacePoints:
    """Detects the 68 points.

    The model is read once, on first use. dlib's file of it (100 MB) takes a second or more to read. This happens once per user: the
    arrays are kept in the cache, and at most 10 MB of them are read for a face.
    """

    def preload(self) -> None:
        """Read the model now.

        Raises:
            WeightsError: dlib's file is altered, or holds something else.
            DependencyError: the package that ships it is missing.
        """
        _forest()

    def points(self, crop: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(68, 2) pixels of an aligned crop (128, 128, 3): jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67."""
        return _points(crop)

    def mean(self) -> NDArray[np.float64]:
        """(68, 2) pixels of an aligned crop: the mean face of the model."""
        low, high = np.reshape(_MEAN_BOX, (2, 2))
        return np.asarray(low + _forest().initial * (high - low), np.float64)


@remembered(16)
def _points(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    return _forest().points(crop, _BOX)


@cache
def _forest() -> Forest:
    # The name tells the file, and changes with what is made of it.
    return Forest(**cached_arrays(f"landmarks-68-{weights.package_sha256(_FILE)[:16]}-1", _made))


def _made() -> dict[str, NDArray[Any]]:
    return landmark_arrays(weights.dlib_model_file(_FILE).read_bytes())
