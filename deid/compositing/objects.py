"""Objects before a face: nothing of a new face is fitted to them, and they stay before it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import AlignedFace
from deid.imaging.template import SIZE, disc

Field = NDArray[np.float32]

#: Beside an object, so many pixels (of 128) are its shadow or its soft border, of which nothing is read.
_BESIDE = 2


def seen(face: AlignedFace) -> NDArray[np.bool_]:
    """(128, 128): where nothing stands before a face."""
    if face.objects is None:
        return np.ones((SIZE, SIZE), bool)
    return np.asarray(cv2.resize(with_border(face.objects), (SIZE, SIZE), interpolation=cv2.INTER_AREA) < 0.1, np.bool_)


def behind_objects(mask: Field, face: AlignedFace) -> Field:
    """How much of a new face shows, ``mask`` (n, n), behind what stands before it."""
    return mask if face.objects is None else np.asarray(mask * (1 - face.objects), np.float32)


def with_border(objects: Field) -> Field:
    """Objects (n, n) and what is beside them."""
    return np.asarray(cv2.dilate(objects, disc(_BESIDE * len(objects) / SIZE)), np.float32)
