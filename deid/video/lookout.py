"""Regions of a film's frame to search: all of it at intervals, and new regions in every frame."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.video.novelty import News, Region
from deid.video.pace import Pace
from deid.video.search import Search
from deid.video.turn import CLEAR, SURE, TurnMemory

#: A film is busy, as with a crowd or a shaking camera, while one of its last so many frames had more new places than this, or all but
#: one had some.
_PLACES, _FRAMES = 6, 16
#: In a busy film the fastest look alone searches what is new, what differs most first, by so much of a frame with every frame; what is
#: not used is saved up to so much.
_SAVES, _SAVED = 0.03, 1.0
#: Other turns are tried at once where so much of a frame is new.
_LITTLE = 0.3
#: A detection that a region's edge cuts is a piece of something known when less than this share of it is new.
_LEAST_NEW = 0.2
#: Searches of a still scene by each detector: faint detections count when they come twice.
_ENOUGH = 2
_SAME_IOU = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A detection, and the turn of the frame at which the face is upright, in degrees counter-clockwise."""

    detection: Detection
    degrees: int = 0


class Lookout:
    """Searches the frames of a film.

    Args:
        search: searches frames and parts of them.
        pace: of the film.
        every_frame: search every frame in full by one look, upright, and no parts.
    """

    def __init__(self, search: Search, pace: Pace, every_frame: bool = False) -> None:
        self._search, self._pace, self._every_frame = search, pace, every_frame
        self._turn = TurnMemory(pace)
        self._n_places: deque[int] = deque(maxlen=_FRAMES)
        self._saved = 0.0
        self._searched = 0
        self._n_still = 0

    def look(self, image: Image, index: int, news: News, seen: Sequence[Detection], turns: Iterable[int] = ()) -> list[Sighting]:
        """Search a frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            index: of the frame; consecutive.
            news: what is new in it.
            seen: faces that have been found in it already, where they were expected.
            turns: at which those faces are upright.

        Returns:
            Faces, each once; some of those seen already may be among them.
        """
        if news.cut:
            self._searched, self._n_still = index, 0
            return self._at_first(image)
        due = self._is_due(index, news)
        sightings: list[Sighting] = []
        if due:
            sightings += self._whole(image, turns)
        if not self._every_frame:
            sightings += self._new(image, news, seen, due)
            sightings += self._otherwise(image, index, news, seen)
        return _apart(sightings)

    def _at_first(self, image: Image) -> list[Sighting]:
        """All searches of a new scene, and of other turns without a confident detection."""
        here = self._turn.degrees
        found = self._search.all(image, here)
        if self._every_frame or any(d.score >= SURE for d in found):
            return _sightings(found, here)
        best = found
        for degrees in self._turn.others():
            turned = self._search.fast(image, degrees)
            self._turn.note(degrees, turned, best)
            best = turned if self._turn.degrees == degrees else best
        here, before = self._turn.degrees, here
        turned = self._search.all(image, here) if here != before else []
        return _apart([*_sightings(turned, here), *_sightings(found, before)])

    def _is_due(self, index: int, news: News) -> bool:
        self._n_still = self._n_still if news.still else 0
        if index - self._searched < self._pace.every:
            return False
        self._searched = index
        self._n_still += 1
        return self._every_frame or self._n_still <= _ENOUGH * self._search.n_looks

    def _whole(self, image: Image, turns: Iterable[int]) -> list[Sighting]:
        """The next look at all of it, and the fastest at turns that some faces have; upright ones may come into any film."""
        here, others = self._turn.degrees, set(turns)
        sightings = _sightings(self._search.next(image, here), here)
        for degrees in sorted((others | {0}) - {here}):
            found = self._search.fast(image, degrees)
            sightings += _sightings([d for d in found if degrees in others or d.score >= CLEAR], degrees)
        return sightings

    def _new(self, image: Image, news: News, seen: Sequence[Detection], searched: bool) -> list[Sighting]:
        """Looks at what is new: by all looks, but in a busy film."""
        known = [d.box_xyxy for d in seen]
        regions = news.regions(known)
        self._n_places.append(news.n_places(known))
        self._saved = min(_SAVED, self._saved + _SAVES)
        busy = max(self._n_places) > _PLACES or sum(n > 0 for n in self._n_places) >= _FRAMES - 1
        if busy:
            regions = [] if searched else self._affordable(regions, image.shape[:2])
        if not regions:
            return []
        found = self._search.within(image, regions, self._turn.degrees, not busy, others=searched)
        whole = [d for d in found if not _is_cut(d, regions, image.shape[:2]) or news.share_of(d.box_xyxy) >= _LEAST_NEW]
        sightings = _sightings(whole, self._turn.degrees)
        if self._turn.degrees != 0:
            upright = self._search.within(image, regions, 0, thorough=False)
            sightings += _sightings([d for d in upright if d.score >= CLEAR], 0)
        if not busy and not any(d.score >= CLEAR for d in (*seen, *whole)) and _share(regions, image.shape[:2]) <= _LITTLE:
            sightings += self._new_turned(image, regions, [*seen, *whole])
        return sightings

    def _affordable(self, regions: Sequence[Region], size_hw: tuple[int, int]) -> list[Region]:
        """The first regions, as many as has been saved up for."""
        chosen = []
        for rows, columns in regions:
            share = _share([(rows, columns)], size_hw)
            if share <= self._saved:
                self._saved -= share
                chosen.append((rows, columns))
        return chosen

    def _new_turned(self, image: Image, regions: Sequence[Region], here: Sequence[Detection]) -> list[Sighting]:
        """The fastest look at what is new, at the other turns: there is no confident detection at the film's own."""
        sightings, best = list[Sighting](), here
        for degrees in self._turn.others():
            found = [d for d in self._search.within(image, regions, degrees, thorough=False) if d.score >= CLEAR]
            self._turn.note(degrees, found, best)
            best = found if self._turn.degrees == degrees else best
            sightings += _sightings(found, degrees)
        return sightings

    def _otherwise(self, image: Image, index: int, news: News, seen: Sequence[Detection]) -> list[Sighting]:
        """The fastest search of another turn, at intervals."""
        degrees = None if news.still else self._turn.due(index, any(d.score >= SURE for d in seen))
        if degrees is None:
            return []
        found = self._search.fast(image, degrees)
        self._turn.note(degrees, found, seen)
        if self._turn.degrees == degrees:
            found = self._search.all(image, degrees)
        return _sightings([d for d in found if d.score >= CLEAR], degrees)


def _share(regions: Iterable[Region], size_hw: tuple[int, int]) -> float:
    """Which share of a frame regions take."""
    pixels = sum((rows.stop - (rows.start or 0)) * (columns.stop - (columns.start or 0)) for rows, columns in regions)
    return float(pixels / (size_hw[0] * size_hw[1]))


def _sightings(found: Iterable[Detection], degrees: int) -> list[Sighting]:
    return [Sighting(d, degrees) for d in found]


def _apart(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Each face once, as it is seen most surely."""
    kept: list[Sighting] = []
    for s in sorted(sightings, key=lambda s: -s.detection.score):
        boxes = np.array([k.detection.box_xyxy for k in kept]).reshape(-1, 4)
        if not (geometry.box_iou(s.detection.box_xyxy, boxes) > _SAME_IOU).any():
            kept.append(s)
    return kept


def _is_cut(detection: Detection, regions: Sequence[Region], size_hw: tuple[int, int]) -> bool:
    """Whether the inner edge of the region that holds a detection's middle cuts it."""
    box = detection.box_xyxy
    middle, far = (box[:2] + box[2:]) / 2, np.array(size_hw[::-1])
    for rows, columns in regions:
        low, high = np.array([columns.start or 0, rows.start or 0]), np.array([columns.stop, rows.stop])
        if (middle >= low).all() and (middle < high).all():
            return bool(((box[:2] < low + 1) & (low > 0)).any() or ((box[2:] > high - 1) & (high < far)).any())
    return True
