"""Frames of a video that wait until what comes after them is known, with the tracks that matter to them."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal

import numpy as np

from deid.core.types import Detection
from deid.imaging import geometry
from deid.video.frames import FoundFrame, FrameT, TrackedFace
from deid.video.pace import Pace
from deid.video.steady import NEAR_END, STEADY, clarity, remembered, steadied
from deid.video.track import Track

#: Two detections with more overlap are one face.
_SAME_IOU = 0.45
#: How many portraits of a face are given, so many frames apart.
_PORTRAITS, _APART = 3, 4


@dataclass(slots=True, eq=False)
class Slot(Generic[FrameT]):
    """A frame that waits."""

    index: int
    frame: FrameT
    scene: int


@dataclass(slots=True, eq=False)
class Known:
    """A track that still matters to a frame that waits."""

    track: Track
    scene: int
    introduced: int | None = None


class Window(Generic[FrameT]):
    """The frames that wait, first in, first out."""

    def __init__(self) -> None:
        self._slots: deque[Slot[FrameT]] = deque()
        self._scene = -1
        self.known: dict[int, Known] = {}
        self.scene_began: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def cut(self, index: int) -> None:
        """A scene begins with the frame that comes next."""
        self._scene += 1
        self.scene_began[self._scene] = index

    def add(self, index: int, frame: FrameT) -> None:
        """Let a frame wait."""
        self._slots.append(Slot(index, frame, self._scene))

    def earlier(self) -> Iterator[Slot[FrameT]]:
        """The frames of the newest one's scene that came before it, backward."""
        for slot in reversed(list(self._slots)[:-1]):
            if slot.scene != self._scene:
                return
            yield slot

    def admit(self, tracks: Sequence[Track]) -> None:
        """Tracks that begin in the newest frame."""
        for track in tracks:
            self.known[track.number] = Known(track, self._scene)

    def claimed(self, detection: Detection, index: int, track: Track) -> Track | None:
        """The track whose face a detection in a frame is already."""
        for known in self.known.values():
            other = known.track
            if other is not track and index in other.seen and among(detection, [other.seen[index]]):
                return other
        return None

    def leave(self, pace: Pace, live: Collection[int]) -> FoundFrame[FrameT]:
        """The frame that has waited longest; ``live`` are the tracks whose face may come back."""
        slot = self._slots.popleft()
        faces = [face for known in self.known.values() if known.scene == slot.scene and (face := self._face(known, slot.index, pace))]
        due = [self.known[face.track] for face in faces if _is_due(self.known[face.track], slot.index, pace)]
        portraits = {known.track.number: self._portraits(known, slot) for known in due}
        self._forget(slot.index, pace, live)
        return FoundFrame(slot.frame, tuple(faces), portraits)

    def _portraits(self, known: Known, leaving: Slot[FrameT]) -> tuple[tuple[FrameT, Detection], ...]:
        """The frames with the best views of the face, apart from each other."""
        frames = {slot.index: slot.frame for slot in (leaving, *self._slots)}
        seen = {i: d for i, d in known.track.seen.items() if i in frames}
        chosen: list[int] = []
        for i in sorted(seen, key=lambda i: clarity(seen[i]), reverse=True):
            if len(chosen) < _PORTRAITS and all(abs(i - other) >= _APART for other in chosen):
                chosen.append(i)
        return tuple((frames[i], seen[i]) for i in chosen)

    def _forget(self, index: int, pace: Pace, live: Collection[int]) -> None:
        """Let go of what no waiting frame needs."""
        oldest = self._slots[0].scene if self._slots else self._scene
        self.scene_began = {scene: began for scene, began in self.scene_began.items() if scene >= oldest}
        for number, known in list(self.known.items()):
            seen = known.track.seen
            if number not in live and max(seen) + pace.memory <= index:
                del self.known[number]
                continue
            # A gap between two detections is filled from the one before; steadying needs a few, and so does a face that is seen no more.
            old = sorted(i for i in seen if i <= index - STEADY)[:-NEAR_END]
            for i in old:
                del seen[i]

    def _face(self, known: Known, index: int, pace: Pace) -> TrackedFace | None:
        """Where a track's face is in a frame; None when it is not there."""
        seen = known.track.seen
        first, last = min(seen), max(seen)
        if first <= index <= last:
            state: Literal["seen", "filled"] = "seen" if index in seen else "filled"
            return TrackedFace(known.track.number, steadied(seen, index), state)
        away = first - index if index < first else index - last
        # A person in a new scene was there from its beginning: not every detector had its turn yet.
        from_start = index < first <= self.scene_began[known.scene] + pace.look_ahead
        if away > pace.memory and not from_start:
            return None
        end = first if index < first else last
        return TrackedFace(known.track.number, remembered(seen, end, index), "remembered")


def _is_due(known: Known, index: int, pace: Pace) -> bool:
    """Whether portraits of a track are to be given: at first, and once all that was in the window then has left it."""
    if known.introduced is not None and index - known.introduced <= pace.look_ahead:
        return False
    known.introduced = index
    return True


def among(detection: Detection, others: Sequence[Detection]) -> bool:
    """Whether a detection of a frame is of one of some faces."""
    if not others:
        return False
    return bool((geometry.box_iou(detection.box_xyxy, np.stack([o.box_xyxy for o in others])) > _SAME_IOU).any())
