"""Who is in a video, and what becomes of each of their tracks."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.request import Level
from deid.core.temporal import FieldSmoother
from deid.core.types import Embeddings
from deid.video.keyframe import Keyframe
from deid.video.results import TrackSummary
from deid.video.smooth import LandmarkFilter

#: After a frame in which the gate refused a face, the stronger level is kept for this many frames, and for twice as many after the next
#: one: a video must not flicker.
_HOLD = 25


@dataclass(slots=True, eq=False)
class Person:
    """A person in the video.

    Args:
        number: from 0, in the order of appearance.
        embeddings: (1, D) each, the mean over the portraits; empty when no new face is wanted.
        level: the new face; None when the person is covered.
        attempts: number of attempts to find a new face.
    """

    number: int
    embeddings: tuple[Embeddings, ...]
    level: Level | None = None
    attempts: int = 0


@dataclass(slots=True, eq=False)
class Role:
    """How a track is edited."""

    person: Person
    summary: TrackSummary
    cover: Level
    #: Fallback levels that are skipped, until which frame, and for how many frames after the next refusal.
    level: int = 0
    until: int = -1
    hold: int = _HOLD
    #: The last frame in which the gate refused the new face, or judged the cover in its place.
    judged: int = -1
    #: How the face looked in the last frame in which it was seen.
    view: NDArray[np.float32] | None = None
    #: The last frame with the new face, and up to which frame none is shown again.
    shown: int = -2
    covered: int = -1
    #: What the new face's last frame left: which one it was, and how it looked.
    pasted: int = -2
    smooth: LandmarkFilter = field(default_factory=LandmarkFilter)
    steady: FieldSmoother = field(default_factory=FieldSmoother)
    keyframe: Keyframe | None = None
    light: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    def begin(self) -> None:
        """Forget how the new face looked: it begins anew."""
        self.smooth, self.steady, self.keyframe = LandmarkFilter(), self.steady.anew(), None
