"""Licence plates in videos: searched in every frame, and followed beside the faces."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Generic

from deid.core.types import Detection
from deid.detection.plates import PLATE
from deid.video.frames import Finds, FoundFrame, FrameT, TrackedFace

#: Tracks of plates are numbered from here: those of faces are what they would be without.
FIRST_TRACK = 1_000_000


class WithPlates(Generic[FrameT]):
    """Two finders that look at the same frames: one of faces, one of plates.

    Args:
        faces: gives faces.
        plates: gives plates.
    """

    def __init__(self, faces: Finds[FrameT], plates: Finds[FrameT]) -> None:
        self._faces, self._plates = faces, plates
        self._waiting: tuple[deque[FoundFrame[FrameT]], deque[FoundFrame[FrameT]]] = (deque(), deque())

    def push(self, frame: FrameT) -> Iterator[FoundFrame[FrameT]]:
        self._waiting[0].extend(self._faces.push(frame))
        self._waiting[1].extend(self._plates.push(frame))
        yield from self._both()

    def finish(self) -> Iterator[FoundFrame[FrameT]]:
        self._waiting[0].extend(self._faces.finish())
        self._waiting[1].extend(self._plates.finish())
        yield from self._both()

    def _both(self) -> Iterator[FoundFrame[FrameT]]:
        """Frames that both have given."""
        faces, plates = self._waiting
        while faces and plates:
            yield _joined(faces.popleft(), plates.popleft())


def _joined(faces: FoundFrame[FrameT], plates: FoundFrame[FrameT]) -> FoundFrame[FrameT]:
    own = tuple(TrackedFace(FIRST_TRACK + face.track, _plate(face.detection), face.state) for face in plates.faces)
    views = {FIRST_TRACK + track: tuple((frame, _plate(d)) for frame, d in seen) for track, seen in plates.portraits.items()}
    return FoundFrame(faces.frame, (*faces.faces, *own), faces.portraits | views)


def _plate(detection: Detection) -> Detection:
    return replace(detection, landmarks=None, label=PLATE)
