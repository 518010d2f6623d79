"""Crops that fit a face closely, for telling who somebody is.

A fit to 33 landmarks is steadier than one to the detector's five. dlib aligns faces so for its recogniser.
"""

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.imaging.alignment import align, warp
from deid.landmarks.face_points import FacePoints

#: Nose, eyes, upper lip and mouth's corners. Brows, lower lip and jaw move with the expression.
_STEADY = np.r_[27:55, 60:65]


def realigned(image: Image, detection: Detection) -> NDArray[np.uint8]:
    """The upright crop (128, 128, 3) of one face, by its 68 landmarks in the crop of `align`."""
    face, points = align(image, detection), FacePoints()
    found = geometry.apply(geometry.invert(face.matrix), points.points(face.crop))
    return warp(image, geometry.fit_similarity(found[_STEADY], points.mean()[_STEADY]))
