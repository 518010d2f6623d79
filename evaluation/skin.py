"""Lightness of a face's skin, from its cheeks."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Crops, Image
from deid.landmarks.face_points import FacePoints

#: Landmarks around both cheeks and the nose, and those of the lower eyelids, which the outline stays below by so many pixels.
_CHEEKS, _LIDS, _BELOW_PX = [2, 3, 13, 14, 28, 31, 35], [40, 41, 46, 47], 3.0
#: Degrees under which skin counts as dark: `brown` and `dark` of the usual six classes. In press photos, under warm or little light,
#: light skin falls below it too (seen among 80 of LFW's): the groups are of skin as photographed.
DARK_BELOW_DEG = 10.0


def tones(crops: Crops) -> NDArray[np.float64]:
    """Individual typology angle (N,) in degrees of aligned crops (N, 128, 128, 3): the lighter the skin, the higher.

    ``atan2(L - 50, b)`` of the median colour of the cheeks in CIE Lab. The light of the photo counts as well: the angle of a face in
    the shade is lower. A. Chardon, I. Cretois, C. Hourseau, "Skin colour typology and suntanning pathways", 1991.
    """
    points = FacePoints()
    return np.array([tone(crop, points.points(crop)) for crop in crops], np.float64)


def tone(crop: Image, points: NDArray[np.float64]) -> float:
    """The angle of one crop with landmarks (68, 2); NaN where the cheeks lie outside it."""
    outline = np.concatenate([points[_CHEEKS], points[_LIDS] + (0, _BELOW_PX)])
    cheeks: NDArray[np.uint8] = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillConvexPoly(cheeks, np.round(cv2.convexHull(outline.astype(np.float32))).astype(np.int32), 1)
    if not cheeks.any():
        return float("nan")
    lab = cv2.cvtColor((crop / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[cheeks > 0]
    light, _, yellow = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(light - 50, yellow)))
