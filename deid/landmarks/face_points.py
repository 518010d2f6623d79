"""dlib's 68 landmarks of a face in an aligned crop, for masks that follow the face.

V. Kazemi, J. Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees", CVPR 2014.
"""

import threading
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.weights import dlib_model_file

#: Where the boxes that the model was trained with lie in an aligned crop of 128 px (median over LFW).
_BOX = (18, 27, 107, 117)
_LOCK = threading.Lock()


class FacePoints:
    """Finds the 68 points; the model (100 MB) is read once, on first use."""

    def preload(self) -> None:
        """Read the model now."""
        _predictor()

    def points(self, crop: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(68, 2) pixels of an aligned crop (128, 128, 3): jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67."""
        # dlib is imported with the first new face: filters need none of it.
        import dlib

        with _LOCK:
            shape = _predictor()(np.ascontiguousarray(crop), dlib.rectangle(*_BOX))
        return np.array([(p.x, p.y) for p in shape.parts()], float)


@cache
def _predictor() -> Any:
    import dlib

    return dlib.shape_predictor(str(dlib_model_file("shape_predictor_68_face_landmarks.dat")))
