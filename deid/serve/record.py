"""What was found in a video, kept without its pixels: the video can be edited again without being searched again."""

from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np

from deid.boxes.types import Box, BoxedFile, BoxedFrame, View
from deid.core.types import Detection
from deid.imaging import geometry
from deid.video.decode import Frame
from deid.video.frames import FoundFrame, TrackedFace
from deid.video.steady import clarity

#: A drawn face that is a track's face already in a frame is left to that track there.
SAME_TRACK = 0.45
#: Frames after the one that leaves from which portraits of a drawn face are taken at least, and how many.
_REACH, _PORTRAITS = 12, 3


@dataclass(slots=True, eq=False)
class Record:
    """The faces of every frame.

    Args:
        faces: by frame.
        portraits: by frame and track, the frames that show the face well and where it is in them.
        times_s: of every frame, from the video's beginning.
    """

    faces: list[tuple[TrackedFace, ...]] = field(default_factory=list)
    portraits: dict[int, dict[int, tuple[tuple[int, Detection], ...]]] = field(default_factory=dict)
    times_s: list[float] = field(default_factory=list)

    def note(self, found: FoundFrame[Frame], time_s: float) -> None:
        """Take down one frame."""
        if found.portraits:
            shown = {track: tuple((f.index, d) for f, d in views) for track, views in found.portraits.items()}
            self.portraits[len(self.faces)] = shown
        self.faces.append(found.faces)
        self.times_s.append(time_s)

    @property
    def n_tracks(self) -> int:
        """One more than the largest number of a track."""
        return 1 + max((face.track for faces in self.faces for face in faces), default=-1)

    def add(self, drawn: Mapping[int, TrackedFace], left: Sequence[int] = ()) -> bool:
        """Add a face that was followed, where it is no known track's; ``left`` are tracks that are left as they are.

        Returns:
            Whether there is a frame in which it is not known yet.
        """
        new = {i: face for i, face in drawn.items() if i < len(self.faces) and not self._is_known(i, face, left)}
        for index, face in new.items():
            self.faces[index] = (*self.faces[index], face)
        if new:
            first = min(new)
            seen = {i: f.detection for i, f in new.items() if f.state == "seen" and first <= i <= first + _REACH}
            best = sorted(seen, key=lambda i: clarity(seen[i]), reverse=True)[:_PORTRAITS]
            track = new[first].track
            self.portraits.setdefault(first, {})[track] = tuple((i, seen[i]) for i in best)
        return bool(new)

    def _is_known(self, index: int, face: TrackedFace, left: Sequence[int]) -> bool:
        others = [f.detection.box_xyxy for f in self.faces[index] if f.track not in left]
        return bool(others) and bool((geometry.box_iou(face.detection.box_xyxy, np.stack(others)) > SAME_TRACK).any())

    def confirm(self, track: int) -> None:
        """A person has seen that it is a face: it may get a new one, however sure the detector was."""
        self.faces = [tuple(_sure(face) if face.track == track else face for face in faces) for faces in self.faces]
        for shown in self.portraits.values():
            if track in shown:
                shown[track] = tuple((i, replace(d, score=1.0)) for i, d in shown[track])

    def replay(self, frames: Generator[Frame, None, None]) -> Iterator[FoundFrame[Frame]]:
        """The frames of the video with what was found in them."""
        window: deque[Frame] = deque()
        reach = self._reach()
        with closing(frames):
            for frame in frames:
                window.append(frame)
                if len(window) > reach:
                    yield self._found(window)
            while window:
                yield self._found(window)

    def boxed(self, name: str, size_wh: tuple[int, int], gone: Collection[int], kept: Collection[int]) -> BoxedFile:
        """Boxes for `deid run --boxes`, without the tracks ``gone``; those ``kept`` are marked."""
        frames = []
        for index, (faces, time_s) in enumerate(zip(self.faces, self.times_s, strict=True)):
            boxes = tuple(Box(f.detection, f.track, f.state, f.track in kept) for f in faces if f.track not in gone)
            shown = self.portraits.get(index, {}).items()
            views = {track: tuple(View(*view) for view in own) for track, own in shown if track not in gone}
            frames.append(BoxedFrame(boxes, time_s, views))
        return BoxedFile(name, size_wh, tuple(frames), True)

    def _reach(self) -> int:
        ahead = [i - at for at, shown in self.portraits.items() for views in shown.values() for i, _ in views]
        return max(ahead, default=0)

    def _found(self, window: deque[Frame]) -> FoundFrame[Frame]:
        by_index = {frame.index: frame for frame in window}
        frame = window.popleft()
        shown = self.portraits.get(frame.index, {})
        portraits = {track: tuple((by_index[i], d) for i, d in views if i in by_index) for track, views in shown.items()}
        return FoundFrame(frame, self.faces[frame.index], portraits)


def _sure(face: TrackedFace) -> TrackedFace:
    return replace(face, detection=replace(face.detection, score=1.0))


def frames_of(found: Iterable[TrackedFace], left: Sequence[int]) -> tuple[list[Detection], list[Detection]]:
    """The faces of one frame: those that are edited, and those that are left as they are."""
    faces = list(found)
    return [f.detection for f in faces if f.track not in left], [f.detection for f in faces if f.track in left]
