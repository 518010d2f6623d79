"""Stand-ins: faces that nobody has, to be edited in the subject's place.

A generator keeps something of the face that it is shown, however it was taught to change it. So it is shown another one: light,
pose and expression are the subject's, and the features come from a linear model of shape and texture, T. Cootes,
G. Edwards, C. Taylor, "Active Appearance Models", PAMI 2001. To replace a face by what a model makes up in its place goes back to
R. Gross, L. Sweeney, F. de la Torre, S. Baker, "Model-Based Face De-Identification", CVPR Workshops 2006.
"""

import threading
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.blend import face_mask
from deid.edit.thin_plate import maps_to, moved, warp_to, yaw
from deid.models.attgan import N_CODES
from deid.structures import Crops, Image

#: Side of the model's textures in pixels: more than the cells across that the generator sees.
TEXTURE = 64
#: What a face's texture and shape are known by beside who it is: see `circumstances`.
N_CIRCUMSTANCES = 7
#: Light and colour coarser than this many pixels of a crop are the photo's.
_LIGHT, _DARKEST = 14.0, 16.0
#: The jaw meets the photo around it and stays where it is.
_JAW = 17
#: How far from the average stand-ins lie: a model of few axes holds about half of what sets people apart.
_LIVELY = 1.5
#: Shades of a face are what is coarser than this many pixels. New faces take a stand-in's, so many times as far from the subject's,
#: and no further than so many grey levels: beyond, noses are white and eyes lie in holes.
_SHADES, _AWAY, _FARTHEST = 7.0, 1.7, 60.0
_SHAPES = {
    "shape": (68, 2),
    "texture": (N_CIRCUMSTANCES, TEXTURE, TEXTURE, 3),
    "texture_axes": (N_CODES, TEXTURE, TEXTURE, 3),
    "shape_axes": (N_CODES, 68, 2),
}


class AppearanceModel:
    """Puts a stand-in's features in place of a face's.

    Args:
        arrays: `shape` (68, 2), the mean one; `texture` (7, 64, 64, 3), relief on that shape by circumstances;
            `texture_axes` (N_CODES, 64, 64, 3) and `shape_axes` (N_CODES, 68, 2), how people differ. The shipped ones are read on first
            use when None.
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        self._arrays = arrays
        self._lock = threading.Lock()

    @property
    def arrays(self) -> Mapping[str, NDArray[np.float32]]:
        """The model.

        Raises:
            WeightsError: the file is missing, altered, or holds something else.
        """
        with self._lock:
            if self._arrays is None:
                self._arrays = weights.read_arrays("appearance", _SHAPES)
            return self._arrays

    def stand_ins(self, crop: Image, points: NDArray[np.float64], male: bool, codes: NDArray[np.float32], share: float) -> Crops:
        """One stand-in per identity code.

        Args:
            crop: (128, 128, 3) uint8 RGB, an aligned face.
            points: (68, 2) its landmarks.
            male: its gender.
            codes: (N, N_CODES) of length sqrt(N_CODES); the shorter a code, the more the stand-in is the face itself.
            share: of the features that are replaced, in [0, 1].

        Returns:
            (N, 128, 128, 3) uint8, equal to the crop outside the face.
        """
        model, mask = self.arrays, face_mask(points)
        ground = np.tensordot(circumstances(points, male).astype(np.float32), model["texture"], axes=1)
        faces = []
        for code in codes:
            length = float(np.linalg.norm(code)) / np.sqrt(N_CODES)
            shape = points.copy()
            shape[_JAW:] += np.tensordot(code, model["shape_axes"], axes=1)[_JAW:]
            texture = ground + _LIVELY * np.tensordot(code, model["texture_axes"], axes=1)
            here, mean = maps_to(shape, points, np.asarray(model["shape"], np.float64))
            reshaped = moved(crop, here).astype(np.float32)
            light = _light(reshaped, mask)
            new = light * (1 + moved(cv2.resize(texture, (128, 128), interpolation=cv2.INTER_LINEAR).astype(np.float32), mean))
            # Whatever the texture says of light and skin is taken back.
            new *= light / _light(new, mask)
            own = reshaped + min(1.0, length) * share * (new - reshaped)
            faces.append(crop + mask[..., None] * (own - crop))
        return np.asarray(np.clip(np.stack(faces), 0, 255).round(), np.uint8)


def shaded(faces: Crops, stand_ins: Crops, crop: Image) -> Crops:
    """New faces with the shades of their stand-ins, which are those of a head: a generator's are patchy.

    Args:
        faces: (N, 128, 128, 3) uint8 RGB.
        stand_ins: (N, 128, 128, 3) that they were made from.
        crop: (128, 128, 3) the subject's face. The stand-ins are lit as it is, so that its shades are left further behind than by them.
    """
    own = crop.astype(np.float32)
    shades = own + _FARTHEST * np.tanh(_AWAY * (stand_ins - own) / _FARTHEST)
    out = [face + _blurred(goal - face, _SHADES) for face, goal in zip(faces, shades, strict=True)]
    return np.asarray(np.clip(np.stack(out), 0, 255).round(), np.uint8)


def relief(crop: Image, points: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.float32]:
    """What makes a face's features, whatever its light and the colour of its skin.

    Args:
        crop: (128, 128, 3) uint8 RGB, an aligned face.
        points: (68, 2) its landmarks.
        shape: (68, 2) to which it is moved.

    Returns:
        (TEXTURE, TEXTURE, 3): by which share each pixel is brighter than what lies around it; 0 outside the face.
    """
    mask = face_mask(shape)
    face = warp_to(crop, points, shape).astype(np.float32)
    detail = np.clip(face / _light(face, mask) - 1, -1.0, 1.5) * (mask[..., None] > 0.02)
    return np.asarray(cv2.resize(detail, (TEXTURE, TEXTURE), interpolation=cv2.INTER_AREA), np.float32)


def circumstances(points: NDArray[np.float64], male: bool) -> NDArray[np.float64]:
    """(N_CIRCUMSTANCES,) what a face looks like beside whose it is: gender, how the head is turned and tilted, and the mouth;
    each in numbers of about 1, so that one penalty fits all."""
    eyes, chin = points[36:48, 1].mean(), points[8, 1]
    turned = 4 * (yaw(points) - 0.5)
    tilted = 5 * ((points[30, 1] - eyes) / max(1.0, chin - eyes) - 0.42)
    opened = np.linalg.norm(points[66] - points[62]) / 10
    wide = np.linalg.norm(points[54] - points[48]) / 36 - 1
    return np.array([1.0, 1.0 if male else -1.0, turned, turned**2, tilted, opened, wide])


def _light(face: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """The coarse light and colour of a face (128, 128, 3) inside a mask (128, 128), which hair and walls add nothing to."""
    # What is this smooth needs no more than a quarter of the resolution.
    small, support = (cv2.resize(x, (32, 32), interpolation=cv2.INTER_AREA) for x in (face * mask[..., None], mask))
    small, support = (cv2.GaussianBlur(x, (0, 0), _LIGHT / 4) for x in (small, support))
    coarse = cv2.resize(small / (support[..., None] + 1e-3), (128, 128), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.maximum(coarse, _DARKEST), np.float32)


def _blurred(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A smooth image (128, 128, 3), worked out at half the resolution."""
    small = cv2.GaussianBlur(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA), (0, 0), sigma / 2)
    return np.asarray(cv2.resize(small, (128, 128), interpolation=cv2.INTER_LINEAR), np.float32)
