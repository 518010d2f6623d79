"""Boxes of a video: found in one pass over it, taken back in another, and which of its tracks are left as they are."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, cast

from deid.anonymizer.known_people import is_clear
from deid.anonymizer.protocols import Selecting
from deid.anonymizer.selection import MARKED, VIEWS
from deid.anonymizer.zones import holds
from deid.boxes.types import Box, BoxedFile, BoxedFrame, View
from deid.core.errors import DataError
from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.landmarks.realigned import realigned
from deid.video.decode import Frame
from deid.video.frames import Finds, FoundFrame, FrameT, TrackedFace
from deid.video.steady import clarity

#: How many views of a face are chosen where none are given, so many frames apart.
_VIEWS, _APART = 3, 4
#: A frame that is shown so many seconds earlier or later is another one.
_SAME_TIME_S = 0.002
#: A box without a track overlaps so much with that of the same face in the frame before.
_SAME_IOU = 0.3


def boxed(found: FoundFrame[Frame], time_of: Callable[[Frame], float]) -> BoxedFrame:
    """What was found in a frame, as it is written."""
    boxes = tuple(Box(face.detection, face.track, face.state) for face in found.faces)
    views = {track: tuple(View(frame.index, d) for frame, d in own) for track, own in found.portraits.items()}
    return BoxedFrame(boxes, time_of(found.frame), views)


class Recorder:
    """Keeps the boxes of every frame that another finder gives.

    Args:
        finder: gives the frames.
        time_of: says when a frame is shown, in seconds.
        wanted: whether they are kept.
    """

    def __init__(self, finder: Finds[Frame], time_of: Callable[[Frame], float], wanted: bool) -> None:
        self._finder, self._time_of, self._wanted = finder, time_of, wanted
        self.frames: list[BoxedFrame] = []

    def push(self, frame: Frame) -> Iterator[FoundFrame[Frame]]:
        yield from map(self._kept, self._finder.push(frame))

    def finish(self) -> Iterator[FoundFrame[Frame]]:
        yield from map(self._kept, self._finder.finish())

    def _kept(self, found: FoundFrame[Frame]) -> FoundFrame[Frame]:
        if self._wanted:
            self.frames.append(boxed(found, self._time_of))
        return found


class GivenFinder(Generic[FrameT]):
    """Gives frames with faces that are known, as `deid.video.find.FaceFinder` gives those that it finds.

    Args:
        file: the boxes of every frame, in pixels.
        look_ahead: frames that are read before one is given.
        kept: tracks that are left as they are.
        time_of: says when a frame is shown, in seconds, to be compared with the boxes' own time.

    Raises:
        DataError: the video is another one, or has more frames than there are boxes for.
    """

    def __init__(
        self, file: BoxedFile, look_ahead: int, kept: Iterable[int] = (), time_of: Callable[[FrameT], float] | None = None
    ) -> None:
        self._time_of = time_of
        self._file, self._look_ahead, self._kept = file, look_ahead, set(kept)
        self._window: deque[tuple[int, FrameT]] = deque()
        self._index, self._known = -1, set[int]()
        self._viewed = {track for frame in file.frames for track in frame.views or {}}

    def push(self, frame: FrameT) -> Iterator[FoundFrame[FrameT]]:
        self._index += 1
        if self._index >= len(self._file.frames):
            raise DataError(f"the boxes of {self._file.name} are of {len(self._file.frames)} frames, and the video, or its span, has more")
        time_s = self._file.frames[self._index].time_s
        shown_s = None if self._time_of is None else self._time_of(frame)
        if time_s is not None and shown_s is not None and abs(shown_s - time_s) > _SAME_TIME_S:
            at = f"frame {self._index} is shown at {shown_s:.3f} s, and its boxes are of {time_s:.3f} s"
            raise DataError(f"the boxes of {self._file.name} are of another video or span: {at}")
        self._window.append((self._index, frame))
        while len(self._window) > self._look_ahead:
            yield self._leave()

    def finish(self) -> Iterator[FoundFrame[FrameT]]:
        while self._window:
            yield self._leave()

    def _leave(self) -> FoundFrame[FrameT]:
        index, frame = self._window[0]
        own = [box for box in self._file.frames[index].boxes if box.track is not None and box.track not in self._kept]
        faces = tuple(TrackedFace(cast(int, b.track), b.detection, cast(Literal["seen", "filled", "remembered"], b.state)) for b in own)
        views = self._views(index, [face.track for face in faces])
        self._window.popleft()
        return FoundFrame(frame, faces, views)

    def _views(self, index: int, tracks: list[int]) -> dict[int, tuple[tuple[FrameT, Detection], ...]]:
        """The views of tracks that are introduced here; chosen from their boxes where none are given."""
        frames = dict(self._window)
        given = {t: own for t, own in (self._file.frames[index].views or {}).items() if t in tracks}
        views = {t: tuple((frames[v.frame], v.detection) for v in own if v.frame in frames) for t, own in given.items()}
        for track in tracks:
            if track not in self._known and track not in views:
                views[track] = () if track in self._viewed else self._chosen(track)
        self._known.update(tracks)
        return views

    def _chosen(self, track: int) -> tuple[tuple[FrameT, Detection], ...]:
        """The frames of the window in which a face is seen best, apart from each other."""
        seen = {
            i: box.detection for i, _ in self._window for box in self._file.frames[i].boxes if box.track == track and box.state == "seen"
        }
        frames, chosen = dict(self._window), list[int]()
        for i in sorted(seen, key=lambda i: clarity(seen[i]), reverse=True):
            if len(chosen) < _VIEWS and all(abs(i - other) >= _APART for other in chosen):
                chosen.append(i)
        return tuple((frames[i], seen[i]) for i in chosen)


@dataclass(slots=True, eq=False)
class TrackCrops:
    """Clear sightings of every track, few and spread over it, while a video is searched.

    Args:
        selection: says whether anybody asks who people are.
        crops: (128, 128, 3) by track.
    """

    selection: Selecting
    crops: dict[int, list[Image]] = field(default_factory=dict)
    _every: dict[int, int] = field(default_factory=dict)
    _seen: dict[int, int] = field(default_factory=dict)

    def look(self, found: FoundFrame[Any]) -> None:
        """Take what a frame shows."""
        if not self.selection.asks_who:
            return
        clear = [
            f for f in found.faces if f.state == "seen" and f.detection.label == "face" and is_clear(f.detection, self.selection.options)
        ]
        image = found.frame.rgb() if clear else None
        for face in clear:
            n = self._seen[face.track] = self._seen.get(face.track, -1) + 1
            if image is not None and n % self._every.setdefault(face.track, 1) == 0:
                self._add(face.track, realigned(image, face.detection))

    def _add(self, track: int, crop: Image) -> None:
        own = self.crops.setdefault(track, [])
        own.append(crop)
        if len(own) >= 2 * VIEWS:
            # Every other one: they stay spread over the track, and few.
            del own[1::2]
            self._every[track] *= 2


def kept_tracks(file: BoxedFile, selection: Selecting, crops: TrackCrops | None = None) -> dict[int, str]:
    """Which tracks of a video are left as they are, and why: what holds for all of a track's boxes.

    Raises:
        DataError: a mask is of another size than the video.
    """
    boxes: dict[int, list[Box]] = {}
    for frame in file.frames:
        for box in frame.boxes:
            boxes.setdefault(cast(int, box.track), []).append(box)
    width, height = file.size_wh or (1, 1)
    area = selection.area((height, width))
    reasons = {}
    for track, own in boxes.items():
        if all(box.keep for box in own):
            reasons[track] = MARKED
        elif area is not None and all(holds(area, box.detection) for box in own):
            reasons[track] = "it lies in a zone to be ignored"
        elif crops is not None and (why := selection.of_track(crops.crops.get(track, []))):
            reasons[track] = why
    return reasons


def spans(file: BoxedFile) -> dict[int, tuple[int, int]]:
    """The first and the last frame of each track."""
    found: dict[int, tuple[int, int]] = {}
    for index, frame in enumerate(file.frames):
        for box in frame.boxes:
            track = cast(int, box.track)
            found[track] = (found.get(track, (index, index))[0], index)
    return found


def with_tracks(file: BoxedFile) -> BoxedFile:
    """The same with a track for every box: one that was drawn without is the same face as one that it overlaps in the frame before."""
    number = 1 + max((box.track for frame in file.frames for box in frame.boxes if box.track is not None), default=-1)
    before: list[Box] = []
    frames = []
    for frame in file.frames:
        own, after = list[Box](), list[Box]()
        for box in frame.boxes:
            if box.track is None:
                same = next((b for b in before if _is_same(b, box)), None)
                box = replace(box, track=number if same is None else same.track)
                number += same is None
                before = [b for b in before if b is not same]
                after.append(box)
            own.append(box)
        frames.append(replace(frame, boxes=tuple(own)))
        before = after
    return replace(file, frames=tuple(frames), video=True)


def _is_same(a: Box, b: Box) -> bool:
    return a.label == b.label and float(geometry.box_iou(a.detection.box_xyxy, b.detection.box_xyxy)[0, 0]) > _SAME_IOU
