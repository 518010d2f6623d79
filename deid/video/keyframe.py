"""Keyframes of a new face: it is made and judged from scratch in them, and follows the head in between."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Image, Verification
from deid.editing.mouth import gap
from deid.editing.shapes import MOUTH
from deid.imaging import geometry
from deid.recognition.source_face import SourceFace

#: The next keyframe comes after so many seconds at most. Its new face takes the place of the one before within the second number; so
#: long is one covered that the gate refused. Of a person who talks, what shows between keyframes is as far from the person, and flickers
#: as much, as with 0.48 s for both (weights/EXPERIMENTS.md).
KEYFRAME_S, FADE_S = 0.96, 0.48
#: Lips that have opened or closed since the keyframe before, by so much of the face's width, are not shown twice for that long, but for so
#: many seconds.
_SPOKEN, SPEECH_S = 0.03, 0.12
#: It comes at once where the landmarks lie otherwise, beside what turns, moves and scales a head, by so much of the face's width.
_OTHERWISE = 0.012
#: It comes at once as well where the face is brighter, darker or of another tint by so many grey levels.
_OTHER_LIGHT = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A frame in which the gate let a new face pass.

    Args:
        index: of the frame.
        shape: (68, 2) landmarks of the face in it.
        source: what was measured of the face before.
        check: what the gate said of the new one.
        light: (3,) mean colour of its place in the picture.
        fades: by how much, a frame, the new face takes the place of the one before.
    """

    index: int
    shape: NDArray[np.float64]
    source: SourceFace
    check: Verification
    light: NDArray[np.float64]
    fades: float = 1.0

    def faded(self, index: int) -> float:
        """How far, in [0, 1], its new face has taken the place of the one before in another frame."""
        return min(1.0, (index - self.index + 1) * self.fades)

    def speaks(self, shape: NDArray[np.float64]) -> bool:
        """Whether the mouth has opened or closed since, by its landmarks (68, 2)."""
        before, now = (gap(s[MOUTH]) / max(1.0, float(np.ptp(s[:, 0]))) for s in (self.shape, shape))
        return abs(now - before) > _SPOKEN

    def holds(self, index: int, shape: NDArray[np.float64], light: NDArray[np.float64], every: int) -> bool:
        """Whether the face of another frame, with these landmarks (68, 2) and this mean colour (3,), needs no keyframe of its own."""
        if index - self.index >= every or np.abs(light - self.light).max() > _OTHER_LIGHT:
            return False
        moved = geometry.apply(geometry.fit_similarity(self.shape, shape), self.shape)
        off = float(np.linalg.norm(moved - shape, axis=1).mean())
        return off <= _OTHERWISE * max(1.0, float(np.ptp(shape[:, 0])))


def light_of(image: Image, box: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) mean colour of a box (4,) in a picture (H, W, 3); zeros for a box outside of it."""
    part = image[geometry.box_to_slices(box, image.shape[:2])]
    return np.array(cv2.mean(np.ascontiguousarray(part))[:3]) if part.size else np.zeros(3)
