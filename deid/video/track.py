"""Tracking: which face of this frame is which face of the last one.

Boxes move at constant velocity under a Kalman filter and meet the new detections by overlap, the sure ones first, as in
ByteTrack: Y. Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022 (2110.06864);
A. Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016 (1602.00763).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Detection
from deid.imaging import geometry
from deid.video.memory import collides

#: Standard deviations as shares of the box's height: of a sighting, and of what position and velocity change by in a frame.
_SEEN, _MOVES, _TURNS = 0.05, 0.05, 0.02
#: A face that nobody sees slows down by this factor a frame: it is not chased out of the picture.
_DRAG = 0.85
#: A less confident detection that shares more of its area with a known face, or of the face's area, is the same face.
_SECOND_LOOK = 0.5
#: Less overlap with a prediction decides nothing; then the inscribed circles do, for boxes of about one size.
_LEAST_IOU, _SIZE_RATIO = 0.2, 1.7


class BoxFilter:
    """A constant-velocity Kalman filter of a box's centre and size.

    The four coordinates move independently and are seen equally well, so that they share one covariance (2, 2).

    Args:
        box: (4,) xyxy, the first sighting.
    """

    def __init__(self, box: NDArray[np.float64]) -> None:
        self._state = np.stack([_centre_size(box), np.zeros(4)])
        scale = max(float(self._state[0, 3]), 1.0) ** 2
        self._covariance = np.diag([_SEEN**2, (5 * _TURNS) ** 2]) * scale

    @property
    def box(self) -> NDArray[np.float64]:
        """(4,) xyxy, where the face is taken to be."""
        centre, size = self._state[0, :2], np.maximum(self._state[0, 2:], 1.0)
        return np.concatenate([centre - size / 2, centre + size / 2])

    def predict(self, drag: float = 1.0) -> None:
        """Go on by one frame; a ``drag`` under 1 slows the face down."""
        step = np.array([[1.0, 1.0], [0.0, drag]])
        self._state = step @ self._state
        # A size that goes on shrinking or growing unseen soon means nothing.
        self._state[1, 2:] *= drag
        noise = np.diag([_MOVES**2, _TURNS**2]) * max(float(self._state[0, 3]), 1.0) ** 2
        self._covariance = step @ self._covariance @ step.T + noise

    def correct(self, box: NDArray[np.float64]) -> None:
        """Take a sighting (4,) into account."""
        seen = _SEEN**2 * max(float(self._state[0, 3]), 1.0) ** 2
        gain = self._covariance[:, :1] / (self._covariance[0, 0] + seen)
        self._state = self._state + gain * (_centre_size(box) - self._state[0])
        self._covariance = self._covariance - gain @ self._covariance[:1]


def _centre_size(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([(box[:2] + box[2:]) / 2, box[2:] - box[:2]])


@dataclass(slots=True, eq=False)
class Track:
    """One face over time.

    Args:
        number: its name in this video.
        filter: where it is taken to be.
        seen: what was seen of it, by frame.
        last: the last frame in which it was seen.
        degrees: turned counter-clockwise by so much, a frame shows it upright.
    """

    number: int
    filter: BoxFilter
    seen: dict[int, Detection] = field(default_factory=dict)
    last: int = 0
    degrees: int = 0

    def see(self, index: int, detection: Detection) -> None:
        """Take a sighting of the present frame into account."""
        self.filter.correct(detection.box_xyxy)
        self.seen[index] = detection
        self.last = index


class Tracker:
    """Gives every detection its track.

    A detection too faint to start one is remembered: detected there once more, it is a face as well (N. Wojke et al., "Simple
    Online and Realtime Tracking with a Deep Association Metric", ICIP 2017: a tentative track). Close to a face that has a track it
    is that one's hair or hand.

    Args:
        start: least score that starts a track at once; lower ones continue one, or start one when they come twice.
        patience: frames that a track waits for its face to come back.
        memory: frames for which a faint detection is remembered.
    """

    def __init__(self, start: float = 0.5, patience: int = 15, memory: int = 15) -> None:
        self.start, self.patience, self.memory = start, patience, memory
        self.tracks: list[Track] = []
        self._faint: list[Track] = []
        self._next = 0

    @property
    def numbers(self) -> set[int]:
        """The tracks whose face may come back."""
        return {track.number for track in self.tracks}

    def predict(self, index: int) -> None:
        """Go on to the frame ``index``; `update` follows."""
        for track in (*self.tracks, *self._faint):
            track.filter.predict(drag=1.0 if track.last == index - 1 else _DRAG)

    def update(self, index: int, found: Sequence[Detection]) -> list[Track]:
        """Match what was found in a frame, after `predict`.

        A track with a detection in this frame takes no other one. A less confident detection that overlaps with it is left out: hair
        and hands of a face are often detected as a second one.

        Returns:
            The tracks that begin here; those found faintly before have been seen in an earlier frame too.
        """
        here = [t.seen[index] for t in self.tracks if t.last == index]
        found = [d for d in found if not any(d.score <= h.score and _overlap(d, h) > _SECOND_LOOK for h in here)]
        self.tracks = [t for t in self.tracks if index - t.last <= self.patience + 1]
        self._faint = [t for t in self._faint if index - t.last <= self.memory]
        sure = [d for d in found if d.score >= self.start]
        doubtful = [d for d in found if d.score < self.start]
        sure, waiting = _match(index, [t for t in self.tracks if t.last < index], sure)
        doubtful, _ = _match(index, waiting, doubtful)
        sure, waiting = _match(index, self._faint, sure)
        known = [Detection(t.filter.box) for t in self.tracks]
        apart = [d for d in doubtful if not any(collides(d, other) for other in known)]
        doubtful, waiting = _match(index, waiting, apart)
        new = [t for t in self._faint if t.last == index] + [_begun(index, d) for d in sure]
        self._faint = waiting + [_begun(index, d) for d in doubtful]
        for track in new:
            track.number, self._next = self._next, self._next + 1
        self.tracks += new
        return new

    def cut(self) -> None:
        """A new scene begins: no face goes on."""
        self.tracks, self._faint = [], []


def _overlap(a: Detection, b: Detection) -> float:
    """Which share of the smaller box lies in the other one."""
    smaller = min(geometry.box_area(d.box_xyxy)[0] for d in (a, b))
    return float(geometry.box_intersection(a.box_xyxy, b.box_xyxy)[0, 0] / smaller)


def _begun(index: int, detection: Detection) -> Track:
    """A track without a number."""
    return Track(-1, BoxFilter(detection.box_xyxy), {index: detection}, index)


def _match(index: int, tracks: Sequence[Track], found: Sequence[Detection]) -> tuple[list[Detection], list[Track]]:
    """Pair tracks with detections, the closest first; returns what is left of both."""
    if not tracks or not found:
        return list(found), list(tracks)
    predicted = np.stack([t.filter.box for t in tracks])
    closeness = geometry.box_iou(predicted, np.stack([d.box_xyxy for d in found]))
    for i, j in np.argwhere(closeness < _LEAST_IOU):
        closeness[i, j] = _touching(Detection(predicted[i]), found[j])
    free_tracks, free_found = set(range(len(tracks))), set(range(len(found)))
    for flat in np.argsort(-closeness, axis=None, kind="stable"):
        i, j = np.unravel_index(flat, closeness.shape)
        if closeness[i, j] <= 0:
            break
        if i in free_tracks and j in free_found:
            tracks[i].see(index, found[j])
            free_tracks.remove(int(i))
            free_found.remove(int(j))
    return [found[j] for j in sorted(free_found)], [tracks[i] for i in sorted(free_tracks)]


def _touching(a: Detection, b: Detection) -> float:
    """A small closeness for boxes whose inscribed circles meet, larger for nearer ones; 0 for others."""
    ratio = max(a.size, b.size) / min(a.size, b.size)
    if ratio > _SIZE_RATIO or not collides(a, b):
        return 0.0
    gap = np.linalg.norm((a.box_xyxy[:2] + a.box_xyxy[2:] - b.box_xyxy[:2] - b.box_xyxy[2:]) / 2)
    return float(_LEAST_IOU * 0.5 * (1 - gap / (a.size + b.size)))
