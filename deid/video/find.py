"""Faces of a video: detected, tracked, remembered in both directions, and smoothed.

Frames wait in a window until what comes after them is known. A face that is first seen in frame t is looked for backward from
there, gaps between two sightings are filled, and both ends of a track are covered for some frames more.
"""

from collections.abc import Iterator, Sequence
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from deid.core.options import Options
from deid.core.protocols import Refiner
from deid.core.types import Detection, Image
from deid.detection.quarters import turn_box, turn_detection, turn_image
from deid.video.frames import FoundFrame, FrameT
from deid.video.lookout import Lookout
from deid.video.novelty import News, Novelty
from deid.video.pace import USUAL_RATE, Pace
from deid.video.search import SMALLEST, Search
from deid.video.track import Track, Tracker
from deid.video.window import Window, among

#: A search backward ends after this many frames without the face.
_BACKWARD_MISSES = 2
#: A face that was missed in so many frames is looked for in every so many-th one from then on.
_MISSES, _THEN_EVERY = 2, 4


class FaceFinder(Generic[FrameT]):
    """Finds the faces of frame after frame.

    Args:
        search: searches whole frames.
        refiner: looks where a face is expected; None to search every frame in full.
        options: `min_face`, `detect_every`, `track_score`, `memory`, `patience` and `look_ahead`.
        rate: frames per second.

    Examples:
        >>> finder = FaceFinder(build_search(Options()), FaceRefiner(), Options())
        >>> found = [found for frame in frames for found in finder.push(frame)]  # look_ahead frames later
        >>> found += finder.finish()
        >>> len(found), found[0].faces[0].state
        (3, 'seen')
    """

    def __init__(self, search: Search, refiner: Refiner | None, options: Options, rate: float = USUAL_RATE) -> None:
        self._refiner, self._options = refiner, options
        self._window: Window[FrameT] = Window()
        self._index = -1
        pace = Pace.of(options, rate, every_frame=refiner is None)
        self._lookout = Lookout(search, pace, every_frame=refiner is None)
        self._novelty = Novelty(options.min_face * SMALLEST)
        self._tracker = Tracker(options.track_score)
        self._keep(pace)

    def at_rate(self, rate: float) -> None:
        """Go on at another number of frames per second: a camera's rate shows while it runs."""
        self._keep(Pace.of(self._options, rate, every_frame=self._refiner is None))

    def _keep(self, pace: Pace) -> None:
        self.pace = pace
        self._lookout.keep(pace)
        # Looks take turns: what one of them saw faintly, it looks for again two searches later, and may miss once.
        self._tracker.patience, self._tracker.memory = pace.patience, 2 * self._options.memory * pace.every

    def push(self, frame: FrameT) -> Iterator[FoundFrame[FrameT]]:
        """Search the next frame; returns the frames that have waited long enough."""
        self._index += 1
        image = frame.rgb()
        news = self._novelty.of(image)
        if news.cut:
            self._window.cut(self._index)
            self._tracker.cut()
        self._window.add(self._index, frame)
        self._look(image, news)
        while len(self._window) > self.pace.look_ahead:
            yield self._window.leave(self.pace, self._tracker.numbers)

    def finish(self) -> Iterator[FoundFrame[FrameT]]:
        """The frames that still wait."""
        while self._window:
            yield self._window.leave(self.pace, self._tracker.numbers)

    def _look(self, image: Image, news: News) -> None:
        """Follow the known faces into this frame, and search it."""
        index, tracker = self._index, self._tracker
        tracker.predict(index)
        followed = self._follow(image)
        followed += self._still(followed) if news.still else []
        for track, detection in followed:
            track.see(index, detection)
        taken, found = [d for _, d in followed], {track.number for track, _ in followed}
        lost = [t.filter.box for t in self._looked_for() if t.number not in found] if self._refiner is not None else []
        sightings = self._lookout.look(image, index, news, taken, {track.degrees for track, _ in followed}, lost)
        fresh = [s for s in sightings if not among(s.detection, taken)]
        new = tracker.update(index, [s.detection for s in fresh])
        # Detections are equal only to themselves.
        degrees: dict[Detection | None, int] = {s.detection: s.degrees for s in fresh}
        for track in tracker.tracks:
            track.degrees = degrees.get(track.seen.get(index), track.degrees)
        self._window.admit(new)
        self._look_back(new)

    def _follow(self, image: Image) -> list[tuple[Track, Detection]]:
        """The known faces that are where they are expected, each claimed by one track."""
        tracks = self._looked_for()
        seen = self._refined(image, tracks, [t.filter.box for t in tracks])
        pairs = [(t, d) for t, d in zip(tracks, seen, strict=True) if d is not None]
        # When two tracks fall on one face, the one with the latest detection goes on, and of equals the older one.
        pairs.sort(key=lambda pair: (-pair[0].last, pair[0].number))
        kept: list[tuple[Track, Detection]] = []
        for track, detection in pairs:
            if not among(detection, [d for _, d in kept]):
                kept.append((track, detection))
        return kept

    def _looked_for(self) -> list[Track]:
        """The tracks whose face is expected in this frame; one that is not found soon is looked for now and then."""
        missed = [(t, self._index - t.last - 1) for t in self._tracker.tracks]
        return [t for t, n in missed if n < _MISSES or n % _THEN_EVERY == 0]

    def _still(self, followed: Sequence[tuple[Track, Detection]]) -> list[tuple[Track, Detection]]:
        """Known faces that are not detected now, though nothing in the frame has changed: they are where they were."""
        seen, before = {track.number for track, _ in followed}, self._index - 1
        tracks = [t for t in self._tracker.tracks if t.number in self._window.known and t.number not in seen and before in t.seen]
        return [(t, t.seen[before]) for t in tracks]

    def _refined(self, image: Image, tracks: Sequence[Track], boxes: Sequence[NDArray[np.float64]]) -> list[Detection | None]:
        """Detections near boxes, one for each track, with the image turned as the track's face is."""
        found: list[Detection | None] = [None] * len(boxes)
        if self._refiner is None:
            return found
        for degrees in {track.degrees for track in tracks}:
            own = [i for i, track in enumerate(tracks) if track.degrees == degrees]
            turned = turn_image(image, degrees)
            here = self._refiner.refine(turned, [turn_box(boxes[i], degrees, image.shape[:2]) for i in own])
            for i, d in zip(own, here, strict=True):
                found[i] = None if d is None else turn_detection(d, -degrees, turned.shape[:2])
        return found

    def _look_back(self, new: Sequence[Track]) -> None:
        """Follow new faces backward through the frames that wait."""
        if self._refiner is None:
            return
        active = {track: (track.seen[self._index].box_xyxy, 0) for track in new}
        for slot in self._window.earlier():
            if not active:
                return
            tracks = list(active)
            seen = self._refined(slot.frame.rgb(), tracks, [active[t][0] for t in tracks])
            for track, detection in zip(tracks, seen, strict=True):
                box, misses = active[track]
                if detection is None:
                    active[track] = (box, misses + 1)
                    if misses + 1 > _BACKWARD_MISSES:
                        del active[track]
                elif (other := self._window.claimed(detection, slot.index, track)) is not None:
                    self._join(other, track)
                    del active[track]
                else:
                    track.seen[slot.index] = detection
                    active[track] = (detection.box_xyxy, 0)

    def _join(self, old: Track, new: Track) -> None:
        """One track of two, when the old one was lost before the new one began."""
        if old.last >= min(new.seen):
            return
        old.seen.update(new.seen)
        old.last, old.filter, old.degrees = new.last, new.filter, new.degrees
        if old not in self._tracker.tracks:
            self._tracker.tracks.append(old)
        self._tracker.tracks.remove(new)
        del self._window.known[new.number]
