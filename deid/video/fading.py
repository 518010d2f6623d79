"""Covers that come and go slowly: before a face is remembered, and after, its cover is half to be seen.

Remembered faces may have moved, and their covers are large. At once in the picture, they are what one looks at.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Generic

from deid.video.frames import FadingFace, FoundFrame, FrameT, TrackedFace
from deid.video.pace import USUAL_RATE
from deid.video.presence import is_alike, view_of

#: So many seconds a cover takes to come, and to go.
COVERS_FADE_S = 0.2


def n_fading(rate: float) -> int:
    """Number of frames that a cover takes to come or go, at so many a second."""
    return max(1, round(COVERS_FADE_S * rate))


def share_left(age: int, rate: float) -> float:
    """How much, in [0, 1], of a cover is to be seen so many frames after the last one with all of it, or before the first."""
    return max(0.0, 1 - age / (n_fading(rate) + 1))


class Fading(Generic[FrameT]):
    """Adds the covers that come or go to frames with their faces. No face is covered for a shorter time than without.

    Args:
        rate: frames per second.

    Examples:
        >>> frame = FoundFrame(frame=None, faces=(), portraits={})
        >>> fading = Fading(rate=5)
        >>> [len(list(fading.push(frame))) for _ in range(3)], len(list(fading.finish()))
        ([0, 1, 1], 1)
    """

    def __init__(self, rate: float = USUAL_RATE) -> None:
        self._rate, self._n = rate, n_fading(rate)
        self._waiting: deque[FoundFrame[FrameT]] = deque()
        self._going: dict[int, tuple[TrackedFace, int]] = {}

    def push(self, found: FoundFrame[FrameT]) -> Iterator[FoundFrame[FrameT]]:
        """The next frame; returns those that have waited long enough."""
        before = self._waiting[-1] if self._waiting else None
        if before is not None:
            there, here = ({face.track for face in f.faces} for f in (before, found))
            found = self._let_go(before, found, [f for f in before.faces if f.track not in here])
            for face in found.faces:
                if face.track not in there and face.state == "remembered":
                    self._let_come(face, found)
        self._waiting.append(found)
        while len(self._waiting) > self._n:
            yield self._waiting.popleft()

    def finish(self) -> Iterator[FoundFrame[FrameT]]:
        """The frames that still wait."""
        while self._waiting:
            yield self._waiting.popleft()

    def _let_come(self, face: TrackedFace, first: FoundFrame[FrameT]) -> None:
        """Add the cover of a face to the frames before the first with it, back to the last cut, or to when it was there before."""
        later = first
        for i in range(len(self._waiting) - 1, -1, -1):
            frame = self._waiting[i]
            if any(f.track == face.track for f in frame.faces) or not _is_one_scene(frame, later, face):
                return
            self._waiting[i] = replace(frame, fading=(*frame.fading, FadingFace(face, share_left(len(self._waiting) - i, self._rate))))
            later = frame

    def _let_go(self, before: FoundFrame[FrameT], found: FoundFrame[FrameT], gone: Sequence[TrackedFace]) -> FoundFrame[FrameT]:
        """Add the covers of faces that are gone to a frame, until the next cut."""
        self._going |= {face.track: (face, 0) for face in gone if face.state == "remembered"}
        back = {face.track for face in found.faces}
        going = {
            track: (face, age + 1)
            for track, (face, age) in self._going.items()
            if age < self._n and track not in back and _is_one_scene(before, found, face)
        }
        self._going = going
        return replace(found, fading=tuple(FadingFace(face, share_left(age, self._rate)) for face, age in going.values()))


def _is_one_scene(a: FoundFrame[FrameT], b: FoundFrame[FrameT], face: TrackedFace) -> bool:
    """Whether two frames, one after the other, show the same where a face is."""
    box = face.detection.box_xyxy
    return is_alike(*(view_of(found.frame.rgb(), box) for found in (a, b)))
