"""Where the faces of a film are: searched, followed, remembered in both directions, and steadied.

Frames wait in a window until what comes after them is known. A face that is first seen in frame t is looked for backward from
there, gaps between two sightings are filled, and both ends of a track are covered for some frames more.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from deid import geometry
from deid.config import Options
from deid.detect.refine import FaceRefiner
from deid.structures import Detection, Image
from deid.video.search import Search
from deid.video.track import Track, Tracker

#: Two finds with more overlap are one face.
_SAME_IOU = 0.45
#: A search backward ends after so many frames in which the face is not found.
_BACKWARD_MISSES = 2
#: Frames on either side that steady a face, and the standard deviation of their weight.
_STEADY, _STEADY_SIGMA = 3, 1.2
#: A steadied box that overlaps less with what was seen in its very frame has strayed from a face that moves abruptly.
_STRAYED = 0.6
#: A remembered face may have moved: its box grows by this share a frame.
_GROWTH = 0.08
#: A new scene: thumbnails of two frames differ by more grey levels than this, and correlate less.
_CUT_CHANGE, _CUT_CORRELATION = 12.0, 0.5
_THUMBNAIL = (32, 18)
#: How many portraits of a face are given, so many frames apart.
_PORTRAITS, _APART = 3, 4
#: A face this large, in pixels, is as good as a larger one.
_LARGE = 120.0


class HasPixels(Protocol):
    """Anything that gives its pixels when asked: they are not kept twice while a frame waits."""

    def rgb(self) -> Image: ...


FrameT = TypeVar("FrameT", bound=HasPixels)


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """A face of one frame.

    Args:
        track: which face of the film it is.
        detection: where; steadied over neighbouring frames.
        state: `seen` by a detector in this frame, `filled` between two frames in which it was seen, `remembered` before the
            first or after the last of them.
    """

    track: int
    detection: Detection
    state: Literal["seen", "filled", "remembered"]


@dataclass(frozen=True, slots=True, eq=False)
class FoundFrame(Generic[FrameT]):
    """A frame with its faces.

    Args:
        frame: as it was given.
        faces: where its faces are.
        portraits: for tracks that are new, and now and then for others, frames of the window that show the face well.
    """

    frame: FrameT
    faces: tuple[TrackedFace, ...]
    portraits: dict[int, tuple[tuple[FrameT, Detection], ...]]


@dataclass(slots=True, eq=False)
class _Slot(Generic[FrameT]):
    """A frame that waits."""

    index: int
    frame: FrameT
    scene: int


@dataclass(slots=True, eq=False)
class _Known:
    """A track that still matters to a frame that waits."""

    track: Track
    scene: int
    introduced: int | None = None


class FaceFinder(Generic[FrameT]):
    """Finds the faces of frame after frame.

    Args:
        search: looks at whole frames.
        refiner: looks where a face is expected; None to search every frame in full.
        options: `detect_every`, `track_score`, `memory`, `patience` and `look_ahead`.

    Example:
        >>> finder = FaceFinder(search.build(options), FaceRefiner(), options)
        >>> for frame in film:
        ...     for found in finder.push(frame):  # look_ahead frames later
        ...         edit(found.frame, found.faces)
        >>> rest = list(finder.finish())
    """

    def __init__(self, search: Search, refiner: FaceRefiner | None, options: Options) -> None:
        self._search, self._refiner, self._options = search, refiner, options
        self._window: deque[_Slot[FrameT]] = deque()
        self._known: dict[int, _Known] = {}
        self._index, self._scene = -1, 0
        self._every = options.detect_every if refiner is not None else 1
        # The memory counts whole searches, as the thesis counts frames: a short look where a face is expected proves little.
        self._memory = options.memory * self._every
        # Looks take turns: what one of them saw faintly, it looks for again two searches later, and may miss once.
        self._tracker = Tracker(options.track_score, options.patience, 2 * self._memory)
        self._scene_began = {0: 0}
        self._thumbnail: NDArray[np.float32] | None = None

    def push(self, frame: FrameT) -> Iterator[FoundFrame[FrameT]]:
        """Look at the next frame; gives the frames that have waited long enough."""
        self._index += 1
        image = frame.rgb()
        cut = self._is_cut(image)
        if cut:
            self._scene += 1
            self._scene_began[self._scene] = self._index
            self._tracker.cut()
        self._window.append(_Slot(self._index, frame, self._scene))
        self._look(image, cut or self._index == 0)
        while len(self._window) > self._options.look_ahead:
            yield self._leave()

    def finish(self) -> Iterator[FoundFrame[FrameT]]:
        """The frames that still wait."""
        while self._window:
            yield self._leave()

    def _is_cut(self, image: Image) -> bool:
        small = cv2.cvtColor(cv2.resize(image, _THUMBNAIL, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY).astype(np.float32)
        before, self._thumbnail = self._thumbnail, small
        if before is None:
            return False
        a, b = before - before.mean(), small - small.mean()
        correlation = float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-6))
        return float(np.abs(small - before).mean()) > _CUT_CHANGE and correlation < _CUT_CORRELATION

    def _look(self, image: Image, new_scene: bool) -> None:
        """Follow the known faces into this frame, and search it when it is time."""
        index, tracker = self._index, self._tracker
        tracker.predict(index)
        followed = self._follow(image)
        for track, detection in followed:
            track.see(index, detection)
        found: list[Detection] = []
        if new_scene:
            found = self._search.all(image)
        elif index % self._every == 0:
            found = self._search.next(image)
        taken = [d for _, d in followed]
        fresh = [d for d in found if not _among(d, taken)]
        new = tracker.update(index, fresh)
        for track in new:
            self._known[track.number] = _Known(track, self._scene)
        self._look_back(new)

    def _follow(self, image: Image) -> list[tuple[Track, Detection]]:
        """The known faces that are where they are expected, each claimed by one track."""
        tracks = list(self._tracker.tracks)
        seen = self._refined(image, [t.filter.box for t in tracks])
        pairs = [(t, d) for t, d in zip(tracks, seen, strict=True) if d is not None]
        # Where two tracks fall on one face, the one that saw it last, and of those the older one, goes on.
        pairs.sort(key=lambda pair: (-pair[0].last, pair[0].number))
        kept: list[tuple[Track, Detection]] = []
        for track, detection in pairs:
            if not _among(detection, [d for _, d in kept]):
                kept.append((track, detection))
        return kept

    def _refined(self, image: Image, boxes: Sequence[NDArray[np.float64]]) -> Sequence[Detection | None]:
        return [None] * len(boxes) if self._refiner is None else self._refiner.refine(image, boxes)

    def _look_back(self, new: Sequence[Track]) -> None:
        """Follow new faces backward through the frames that wait."""
        if self._refiner is None:
            return
        active = {track: (track.seen[self._index].box_xyxy, 0) for track in new}
        for slot in reversed(list(self._window)[:-1]):
            if not active or slot.scene != self._scene:
                return
            tracks = list(active)
            seen = self._refined(slot.frame.rgb(), [active[t][0] for t in tracks])
            for track, detection in zip(tracks, seen, strict=True):
                box, misses = active[track]
                if detection is None:
                    active[track] = (box, misses + 1)
                    if misses + 1 > _BACKWARD_MISSES:
                        del active[track]
                elif (other := self._claimed(detection, slot.index, track)) is not None:
                    self._join(other, track)
                    del active[track]
                else:
                    track.seen[slot.index] = detection
                    active[track] = (detection.box_xyxy, 0)

    def _claimed(self, detection: Detection, index: int, track: Track) -> Track | None:
        """The track whose face a detection in a frame is already."""
        for known in self._known.values():
            other = known.track
            if other is not track and index in other.seen and _among(detection, [other.seen[index]]):
                return other
        return None

    def _join(self, old: Track, new: Track) -> None:
        """One track of two, when the old one was lost before the new one began."""
        if old.last >= min(new.seen):
            return
        old.seen.update(new.seen)
        old.last, old.filter = new.last, new.filter
        if old not in self._tracker.tracks:
            self._tracker.tracks.append(old)
        self._tracker.tracks.remove(new)
        del self._known[new.number]

    def _leave(self) -> FoundFrame[FrameT]:
        slot = self._window.popleft()
        faces = [face for known in self._known.values() if known.scene == slot.scene and (face := self._face(known, slot.index))]
        portraits = {face.track: self._portraits(self._known[face.track], slot) for face in faces if self._is_due(face.track, slot.index)}
        self._forget(slot.index)
        return FoundFrame(slot.frame, tuple(faces), portraits)

    def _is_due(self, track: int, index: int) -> bool:
        """Whether portraits of a track are to be given: at first, and once all that was in the window then has left it."""
        known = self._known[track]
        if known.introduced is not None and index - known.introduced <= self._options.look_ahead:
            return False
        known.introduced = index
        return True

    def _portraits(self, known: _Known, leaving: _Slot[FrameT]) -> tuple[tuple[FrameT, Detection], ...]:
        """The frames at hand in which the face is seen best, apart from each other."""
        frames = {slot.index: slot.frame for slot in (leaving, *self._window)}
        seen = {i: d for i, d in known.track.seen.items() if i in frames}
        chosen: list[int] = []
        for i in sorted(seen, key=lambda i: _clarity(seen[i]), reverse=True):
            if len(chosen) < _PORTRAITS and all(abs(i - other) >= _APART for other in chosen):
                chosen.append(i)
        return tuple((frames[i], seen[i]) for i in chosen)

    def _forget(self, index: int) -> None:
        """Let go of what no waiting frame needs."""
        self._scene_began = {scene: began for scene, began in self._scene_began.items() if scene >= self._window_scene()}
        live = {t.number for t in self._tracker.tracks}
        for number, known in list(self._known.items()):
            seen = known.track.seen
            if number not in live and max(seen) + self._memory <= index:
                del self._known[number]
                continue
            # What lies between two sightings needs the one before; steadying needs a few.
            old = sorted(i for i in seen if i <= index - _STEADY)[:-1]
            for i in old:
                del seen[i]

    def _window_scene(self) -> int:
        return self._window[0].scene if self._window else self._scene

    def _face(self, known: _Known, index: int) -> TrackedFace | None:
        """Where a track's face is in a frame; None when it is not there."""
        seen = known.track.seen
        first, last = min(seen), max(seen)
        if first <= index <= last:
            state: Literal["seen", "filled"] = "seen" if index in seen else "filled"
            return TrackedFace(known.track.number, _steadied(seen, index), state)
        away = first - index if index < first else index - last
        # Whom a new scene shows was there from its beginning: the looks had not all had their turn yet.
        from_start = index < first <= self._scene_began[known.scene] + self._options.look_ahead
        if away > self._memory and not from_start:
            return None
        end = first if index < first else last
        return TrackedFace(known.track.number, _remembered(seen, end, index), "remembered")


def _clarity(detection: Detection) -> float:
    """How well a face is seen: sure, large, and from the front."""
    points = detection.landmarks
    frontal = 0.5
    if points is not None:
        right, left, nose = points[0], points[1], points[2]
        span = max(float(np.linalg.norm(left - right)), 1.0)
        aside = abs(float((nose - (right + left) / 2) @ (left - right)) / span**2)
        frontal = 1 / (1 + 3 * aside)
    return detection.score * frontal * min(detection.size, _LARGE)


def _among(detection: Detection, others: Sequence[Detection]) -> bool:
    if not others:
        return False
    return bool((geometry.box_iou(detection.box_xyxy, np.stack([o.box_xyxy for o in others])) > _SAME_IOU).any())


def _at(seen: dict[int, Detection], index: int) -> Detection:
    """A face between two frames in which it was seen, or in one of them."""
    if index in seen:
        return seen[index]
    before, after = max(i for i in seen if i < index), min(i for i in seen if i > index)
    share, a, b = (index - before) / (after - before), seen[before], seen[after]
    box = a.box_xyxy + share * (b.box_xyxy - a.box_xyxy)
    points = None
    if a.landmarks is not None and b.landmarks is not None:
        points = a.landmarks + share * (b.landmarks - a.landmarks)
    return Detection(box, min(a.score, b.score), points, a.detector)


def _steadied(seen: dict[int, Detection], index: int) -> Detection:
    """A face without the detector's jitter: a line fitted to its neighbours in time, with weights that fall off."""
    first, last = min(seen), max(seen)
    at = range(max(first, index - _STEADY), min(last, index + _STEADY) + 1)
    here, around = _at(seen, index), [_at(seen, i) for i in at]
    value = _fit(np.array(at, float) - index, np.stack([d.box_xyxy for d in around]))
    box = value if (value[2:] > value[:2]).all() else here.box_xyxy
    if index in seen and geometry.box_iou(box, here.box_xyxy)[0, 0] < _STRAYED:
        return here
    points = here.landmarks
    if points is not None and all(d.landmarks is not None for d in around):
        points = _fit(np.array(at, float) - index, np.stack([np.ravel(np.asarray(d.landmarks)) for d in around])).reshape(5, 2)
    return Detection(box, here.score, points, here.detector)


def _fit(time: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Value at time 0 of weighted lines through values (N, D) at times (N,)."""
    weight = np.exp(-0.5 * (time / _STEADY_SIGMA) ** 2)
    mean_t = (weight * time).sum() / weight.sum()
    mean_v = weight @ values / weight.sum()
    spread = (weight * (time - mean_t) ** 2).sum()
    if spread < 1e-9:
        return np.asarray(mean_v)
    slope = (weight * (time - mean_t)) @ (values - mean_v) / spread
    return np.asarray(mean_v - slope * mean_t)


def _remembered(seen: dict[int, Detection], end: int, index: int) -> Detection:
    """A face some frames before its first or after its last sighting, moving on as it moved there."""
    near = sorted(seen, key=lambda i: abs(i - end))[:4]
    boxes = np.stack([seen[i].box_xyxy for i in near])
    time = np.array(near, float) - end
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    slope = np.zeros(2) if len(near) < 2 else np.polyfit(time, centres, 1)[0]
    limit = 0.25 * seen[end].size
    shift = np.clip(slope, -limit, limit) * (index - end)
    box = geometry.expand_box(seen[end].box_xyxy + np.tile(shift, 2), 1 + _GROWTH * abs(index - end))
    return Detection(box, seen[end].score, None, seen[end].detector)
