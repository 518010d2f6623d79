"""Keyframes of a new face: it is made and judged from scratch in them, and follows the head in between."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Verification
from deid.imaging import geometry
from deid.verification.source_face import SourceFace

#: The next keyframe comes after so many seconds at most.
KEYFRAME_S = 0.32
#: It comes at once where the landmarks lie otherwise, beside what turns, moves and scales a head, by so much of the face's width.
_OTHERWISE = 0.012


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A frame in which the gate let a new face pass.

    Args:
        index: of the frame.
        shape: (68, 2) landmarks of the face in it.
        source: what was measured of the face before.
        check: what the gate said of the new one.
    """

    index: int
    shape: NDArray[np.float64]
    source: SourceFace
    check: Verification

    def holds(self, index: int, shape: NDArray[np.float64], every: int) -> bool:
        """Whether the face of another frame, with these landmarks (68, 2), needs no keyframe of its own."""
        if index - self.index >= every:
            return False
        moved = geometry.apply(geometry.fit_similarity(self.shape, shape), self.shape)
        off = float(np.linalg.norm(moved - shape, axis=1).mean())
        return off <= _OTHERWISE * max(1.0, float(np.ptp(shape[:, 0])))
