"""Request for one face: where it is, and the levels to try; and what became of several."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Editor
from deid.core.temporal import FieldSmoother
from deid.core.types import Detection, FaceResult, Image, Verification
from deid.recognition.source_face import SourceFace


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One way to edit a face.

    Args:
        editor: who edits.
        strength: how hard.
        pastes_face: whether a new face is pasted; otherwise the box is covered.
        n_sets: attribute sets to generate.
        n_proposals: sets that the selector ranks for each of them.
        last: whether no harder level follows.
        fades: whether a cover fades into what surrounds it.
        sets: (1, D) attribute set that was chosen for this face before; None to draw `n_sets` new ones.
        accepted: whether that set was accepted in several frames of the person; its gender is then not asked again.
        round: which of the levels of this kind it is.
        glasses: whether a new face wears the glasses of the photo's.
        objects: whether a new face is behind what stands before the old one.
    """

    editor: Editor
    strength: float
    pastes_face: bool
    n_sets: int = 1
    n_proposals: int = 1
    last: bool = False
    fades: bool = False
    sets: NDArray[np.float32] | None = None
    accepted: bool = False
    round: int = 0
    glasses: bool = False
    objects: bool = True

    @property
    def draws(self) -> bool:
        """Whether a new face is drawn, and not one that was chosen before."""
        return self.pastes_face and self.sets is None


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """What is known of a face from other frames of a video.

    Args:
        shape: (68, 2) its landmarks in this frame, smoothed over time.
        steady: what keeps its new face from flickering.
        source: what was measured of it in the last keyframe; None to measure it in this frame.
        check: what the gate said of its new face there; None to judge the one of this frame.
        faded: how far, in [0, 1], the new face of the keyframe has taken the place of the one before it.
    """

    shape: NDArray[np.float64]
    steady: FieldSmoother
    source: SourceFace | None = None
    check: Verification | None = None
    faded: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A face that is to be edited.

    Args:
        detection: where it is.
        levels: how, mildest first, in place of the options' levels; the last one must be a solid cover.
        tracked: what is known of it from other frames of a video.
    """

    detection: Detection
    levels: Sequence[Level] | None = None
    tracked: Tracked | None = None

    @property
    def is_between_keyframes(self) -> bool:
        """Whether it is in a frame between two keyframes."""
        return self.tracked is not None and self.tracked.check is not None


@dataclass(frozen=True, slots=True, eq=False)
class EditedRequests:
    """A picture in which several requests were met.

    Args:
        image: (H, W, 3) uint8 RGB.
        results: one for each request, in their order.
        beneath: of rows and columns of the picture, and where (h, w) in them a cover is, gives where it is to be seen: it lies beneath the
            new faces.
    """

    image: Image
    results: Sequence[FaceResult]
    beneath: Callable[[tuple[slice, slice], NDArray[np.bool_]], NDArray[np.bool_]] = lambda place, covered: covered
