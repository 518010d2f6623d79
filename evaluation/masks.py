"""Where in an aligned face the product edits, and the face with nothing in that place."""

import numpy as np
from numpy.typing import NDArray

from deid import blend
from deid.detect.face_points import FacePoints
from deid.structures import Image

#: The colour of a blank face, the same for everybody: it says nothing of whose the face was.
_BLANK = (127.0, 127.0, 127.0)


def edit_mask(crop: Image) -> NDArray[np.float32]:
    """(128, 128) in [0, 1]: how much of a new face shows in an aligned crop (128, 128, 3), as the product pastes it."""
    return blend.face_mask(FacePoints().points(crop), crop=crop)


def blanked(crop: Image) -> NDArray[np.uint8]:
    """An aligned crop (128, 128, 3) with one colour in the place of the face: what is left is all that no edit of the face can hide."""
    flat = np.broadcast_to(np.array(_BLANK, np.uint8), crop.shape)
    return np.asarray(blend.blend_crop(flat, crop, edit_mask(crop)), np.uint8)
