"""Light of a photo on another face: lightness and colour that are smooth, and the colour of eyes."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.medians import median
from deid.core.temporal import steadied
from deid.core.types import Image, Steady
from deid.editing.shapes import EYES
from deid.imaging.geometry import scaled
from deid.imaging.template import SIZE, filled

Field = NDArray[np.float32]

#: What is coarser than this many pixels of a 128 px crop is the photo's light.
_LIGHT = 20.0
#: A portrait's colour (Lab) under this is grey, and not scaled.
_GREY = 2.0
#: An eye of fewer pixels (of 128) has no colour that counts; how much darker or brighter (Lab) one may become for the photo's.
_LEAST_EYE, _EYE_LIGHT = 4.0, (-24.0, 12.0)
#: Lightness (Lab, 0 to 100) over which highlights are rolled off, by how much they may exceed it, and how far light may scale a portrait's.
_BRIGHT, _ROOM, _SCALES = 80.0, 14.0, (0.45, 1.8)


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """How the light of one picture becomes that of another: smooth fields (128, 128, 3) in Lab.

    Lightness and colours are scaled down, but raised by adding: scaled up, the highlights of a dark skin are white patches on a pale one.
    Shifted down, teeth are blue in a pale face; in a photo in black and white nothing has a colour. In less light colours are fainter too,
    or cheeks and nose have orange edges.
    """

    gain: Field
    lift: Field

    def steadied(self, steady: Steady | None, name: str) -> "Light":
        return Light(steadied(steady, f"gain {name}", self.gain, 0.15), steadied(steady, f"lift {name}", self.lift, 8.0))

    def on(self, face: Field) -> Field:
        """A face (n, n, 3) in the new light."""
        n = face.shape[0]
        lab = cv2.cvtColor(np.clip(face, 0, 255) / 255, cv2.COLOR_RGB2LAB) * scaled(self.gain, n) + scaled(self.lift, n)
        lightness = lab[..., 0]
        lab[..., 0] = np.where(lightness > _BRIGHT, _BRIGHT + _ROOM * np.tanh((lightness - _BRIGHT) / _ROOM), lightness)
        return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1) * 255, np.float32)


def light_of(face: Field, shown: Field, old: Field) -> Light:
    """Change from the coarse light of a portrait's face (128, 128, 3) to that of the photo.

    Args:
        face: the portrait's.
        shown: (128, 128) where the portrait shows skin.
        old: `coarse_light` of the photo's face; hair before it is no shadow.
    """
    new = coarse_light(face, shown)
    bright = np.clip(old[..., :1] / np.maximum(new[..., :1], 4), *_SCALES)
    dimmed = np.minimum(bright, 1.0)
    gain = np.concatenate([dimmed, np.minimum(dimmed, np.abs(old) / np.maximum(new, _GREY))[..., 1:]], axis=2)
    wanted = np.concatenate([bright * new[..., :1], old[..., 1:]], axis=2)
    return Light(np.asarray(gain, np.float32), np.asarray(wanted - gain * new, np.float32))


def coarse_light(face: Field, skin: Field) -> Field:
    """(128, 128, 3): what is coarse in a face (128, 128, 3) in RGB, by its skin (128, 128), in Lab."""
    return coarse(np.asarray(cv2.cvtColor(np.clip(face, 0, 255) / 255, cv2.COLOR_RGB2LAB), np.float32), skin)


def coarse(image: Field, support: Field, sigma: float = _LIGHT) -> Field:
    """Smooth part of an image (128, 128, 3) inside ``support`` (128, 128); hair and walls outside add nothing."""
    small = [cv2.resize(x, (32, 32), interpolation=cv2.INTER_AREA) for x in (image * support[..., None], support)]
    top, under = (cv2.GaussianBlur(x, (0, 0), sigma / 4) for x in small)
    return np.asarray(cv2.resize(top / (under[..., None] + 1e-3), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), np.float32)


def with_eyes(light: Light, small: Field, crop: Image, shape: NDArray[np.float64], points: NDArray[np.float64]) -> Light:
    """The light of a portrait (128, 128, 3), with its eyes as dark as the photo's, and of their colour: blue eyes in a dark face show.

    Args:
        light: of the portrait.
        small: the portrait in the stand-in's shape.
        crop: (128, 128, 3) the photo.
        shape: (68, 2) landmarks of the stand-in.
        points: (68, 2) the photo's.
    """
    pictures = (light.on(small) / 255, crop.astype(np.float32) / 255)
    new, old = (np.asarray(cv2.cvtColor(a, cv2.COLOR_RGB2LAB), np.float32) for a in pictures)
    lift = light.lift.copy()
    for part in EYES:
        there, here = _darker_half(new[..., 0], shape[part]), _darker_half(old[..., 0], points[part])
        if min(there.sum(), here.sum()) >= _LEAST_EYE:
            off = np.asarray(_mean(old, here) - _mean(new, there))
            off[0] = np.clip(off[0], *_EYE_LIGHT)
            lift += cv2.GaussianBlur(there, (0, 0), 0.8)[..., None] * off
    return replace(light, lift=lift)


def _darker_half(lightness: Field, part: NDArray[np.float64]) -> Field:
    """(128, 128): the darker half by lightness (128, 128) of an eye (6, 2), its iris and lashes."""
    where = filled(part)
    inside = lightness[where > 0.5]
    return where if inside.size == 0 else np.asarray(where * (lightness <= median(inside)), np.float32)


def _mean(image: Field, where: Field) -> NDArray[np.float32]:
    """(C,) mean of an image (128, 128, C) where it counts (128, 128)."""
    return np.asarray(where.ravel() @ image.reshape(where.size, -1) / where.sum(), np.float32)
