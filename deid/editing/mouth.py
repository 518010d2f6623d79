"""The inside of an open mouth, which a new face has from its subject: it is expression, and says little of anybody."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.editing.shapes import LIPS, MOUTH
from deid.imaging.template import SIZE, filled

#: A mouth that is open by more than the first number begins to show what is inside of it, and shows all from the second on.
_OPENS, _OPEN = 2.0, 4.0


def inside_of_mouth(shape: NDArray[np.float64]) -> NDArray[np.float32]:
    """(128, 128) soft: where between the lips of a stand-in (68, 2) the subject's mouth is shown, and how much; nowhere in a closed one."""
    share = float(np.clip((gap(shape[MOUTH]) - _OPENS) / (_OPEN - _OPENS), 0, 1))
    if share == 0:
        return np.zeros((SIZE, SIZE), np.float32)
    return np.asarray(np.float32(share) * cv2.GaussianBlur(filled(shape[LIPS]), (0, 0), 0.8), np.float32)


def gap(mouth: NDArray[np.float64]) -> float:
    """How far a mouth (20, 2) is open between the lips."""
    return float(np.linalg.norm(mouth[18] - mouth[14]))
