"""Frames of a video with their faces: what detection gives and editing takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Detection, Image


class HasPixels(Protocol):
    """Anything that gives its pixels when asked: they are not kept twice while a frame waits."""

    def rgb(self) -> Image: ...


FrameT = TypeVar("FrameT", bound=HasPixels)


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """A face of one frame.

    Args:
        track: which face of the video it is.
        detection: where; steadied over neighbouring frames.
        state: `seen` by a detector in this frame, `filled` between two frames in which it was seen, `remembered` before the
            first or after the last of them.
    """

    track: int
    detection: Detection
    state: Literal["seen", "filled", "remembered"]


@dataclass(frozen=True, slots=True, eq=False)
class FadingFace:
    """A face that is not in a frame by anybody's word, but in one soon before or after it.

    Args:
        face: as it is there.
        share: how much, in [0, 1], of its cover is to be seen.
    """

    face: TrackedFace
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class FoundFrame(Generic[FrameT]):
    """A frame with its faces.

    Args:
        frame: as it was given.
        faces: where its faces are.
        portraits: for tracks that are new, and now and then for others, frames of the window that show the face well.
        fading: covers that come or go, see `deid.video.fading`.
    """

    frame: FrameT
    faces: tuple[TrackedFace, ...]
    portraits: dict[int, tuple[tuple[FrameT, Detection], ...]]
    fading: tuple[FadingFace, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EditedFrame(Generic[FrameT]):
    """A frame, anonymized.

    Args:
        frame: as it was given.
        image: (H, W, 3) uint8 RGB; None when no face is in it.
        touched: (H, W), where it differs from the frame; None when no face is in it.
    """

    frame: FrameT
    image: Image | None
    touched: NDArray[np.bool_] | None


class Finds(Protocol[FrameT]):
    """What gives frames with their faces: a search, or boxes that are known."""

    def push(self, frame: FrameT) -> Iterator[FoundFrame[FrameT]]: ...

    def finish(self) -> Iterator[FoundFrame[FrameT]]: ...
