"""Regions of a video's frame to search: all of it at intervals, and new regions in every frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.video.novelty import News, Region
from deid.video.pace import Pace
from deid.video.search import Search
from deid.video.turn import CLEAR, SURE, TurnMemory

#: What is new is searched by the fastest look in every frame, and by all looks as long as there is a budget. It grows by so many pixels
#: with every frame: of a small frame, of a large one, and a share of it where that is more.
_PIXELS, _PIXELS_LARGE, _SHARE, _LARGE = 100_000, 50_000, 0.025, 500_000
#: A frame of so many pixels is searched by all looks however much of it is new: the fastest one misses more of its small faces.
_SMALL = 150_000
#: What is not used of that is saved, up to one frame of so many pixels or more, or a look by all at a smaller one.
_SAVED = 1_500_000
#: A look at a region also takes so many pixels beside it; every further look takes so many times as long as the fastest one.
_BESIDE, _SLOWER = 24, 2.0
#: Around a face that was lost, so many times its box is searched.
_LOST = 2.5
#: Other turns are tried at once where so much of a frame is new.
_LITTLE = 0.3
#: A detection that a region's edge cuts is a piece of something known when less than this share of it is new.
_LEAST_NEW = 0.2
#: Searches of a still scene by each detector: faint detections count when they come twice.
_ENOUGH = 2
_SAME_IOU = 0.4
#: A new scene is shrunk to so many pixels for a quick look at other turns; from this score on, what it finds is looked for in all of it.
_QUICK, _QUICK_SURE = 384, 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A detection, and the turn of the frame at which the face is upright, in degrees counter-clockwise."""

    detection: Detection
    degrees: int = 0


class Lookout:
    """Searches the frames of a video.

    Args:
        search: searches frames and parts of them.
        pace: of the video.
        every_frame: search every frame in full by one look, upright, and no parts.
    """

    def __init__(self, search: Search, pace: Pace, every_frame: bool = False) -> None:
        self._search, self._pace, self._every_frame = search, pace, every_frame
        self._turn = TurnMemory(pace)
        self._saved = np.inf
        self._searched = 0
        self._n_still = 0

    def keep(self, pace: Pace) -> None:
        """Go on at another pace."""
        self._pace = pace
        self._turn.keep(pace)

    def look(
        self,
        image: Image,
        index: int,
        news: News,
        seen: Sequence[Detection],
        turns: Iterable[int] = (),
        lost: Sequence[NDArray[np.float64]] = (),
    ) -> list[Sighting]:
        """Search a frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            index: of the frame; consecutive.
            news: what is new in it.
            seen: faces that have been found in it already, where they were expected.
            turns: at which those faces are upright.
            lost: boxes (4,) in which faces were expected and not found.

        Returns:
            Faces, each once; some of those seen already may be among them.
        """
        if news.cut:
            self._searched, self._n_still = index, 0
            return self._at_first(image)
        whole = self._whole(image, turns) if self._is_due(index, news) else None
        sightings = list(whole or [])
        if not self._every_frame:
            sightings += self._new(image, news, seen, lost, whole)
            sightings += self._otherwise(image, index, news, [*seen, *self._here(sightings)])
        return _apart(sightings)

    def _at_first(self, image: Image) -> list[Sighting]:
        """All searches of a new scene, and of other turns without a confident detection."""
        here = self._turn.degrees
        found = self._search.all(image, here)
        if self._every_frame:
            return _sightings(found, here)
        if any(d.score >= SURE for d in found):
            return _apart([*_sightings(found, here), *self._lying(image, found)])
        best = found
        for degrees in self._turn.others():
            turned = self._search.fast(image, degrees)
            self._turn.note(degrees, turned, best)
            best = turned if self._turn.degrees == degrees else best
        here, before = self._turn.degrees, here
        turned = self._search.all(image, here) if here != before else []
        return _apart([*_sightings(turned, here), *_sightings(found, before)])

    def _lying(self, image: Image, found: Sequence[Detection]) -> list[Sighting]:
        """Faces at other turns in a scene with upright ones, where a quick look at a small copy sees more than those."""
        scale = min(1.0, _QUICK / max(image.shape[:2]))
        size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        known = np.array([d.box_xyxy for d in found]).reshape(-1, 4)
        sightings = []
        for degrees in self._turn.others():
            quick = [d.moved(np.array(image.shape[1::-1]) / size, np.zeros(2)) for d in self._search.fast(small, degrees)]
            if any(d.score >= _QUICK_SURE and not (geometry.box_iou(d.box_xyxy, known) > _SAME_IOU).any() for d in quick):
                sightings += _sightings([d for d in self._search.fast(image, degrees) if d.score >= CLEAR], degrees)
        return sightings

    def _is_due(self, index: int, news: News) -> bool:
        self._n_still = self._n_still if news.still else 0
        if index - self._searched < self._pace.every:
            return False
        self._searched = index
        self._n_still += 1
        return self._every_frame or self._n_still <= _ENOUGH * self._search.n_looks

    def _whole(self, image: Image, turns: Iterable[int]) -> list[Sighting]:
        """The next look at all of it, and the fastest at turns that some faces have; upright ones may come into any video."""
        here, others = self._turn.degrees, set(turns)
        sightings = _sightings(self._search.next(image, here), here)
        for degrees in sorted((others | {0}) - {here}):
            found = self._search.fast(image, degrees)
            sightings += _sightings([d for d in found if degrees in others or d.score >= CLEAR], degrees)
        return sightings

    def _here(self, sightings: Iterable[Sighting]) -> list[Detection]:
        """Those at the video's own turn."""
        return [s.detection for s in sightings if s.degrees == self._turn.degrees]

    def _new(
        self,
        image: Image,
        news: News,
        seen: Sequence[Detection],
        lost: Sequence[NDArray[np.float64]],
        searched: Sequence[Sighting] | None,
    ) -> list[Sighting]:
        """Looks at what is new by all looks, as long as enough has been saved up; else by the fastest one, and where faces were lost.

        What was found in the whole frame, where that was searched, is not searched for again at other turns.
        """
        size_hw, whole_too = image.shape[:2], searched is not None
        regions, thorough = self._affordable(news, [d.box_xyxy for d in seen], size_hw, whole_too)
        again = [] if whole_too else self._pay(self._around(lost, size_hw))
        where = [*regions, *again]
        if not where:
            return []
        found = self._search.within(image, regions, self._turn.degrees, thorough, others=whole_too)
        found += self._search.within(image, again, self._turn.degrees, thorough=False)
        whole = [d for d in found if not _is_cut(d, where, size_hw) or news.share_of(d.box_xyxy) >= _LEAST_NEW]
        sightings = _sightings(whole, self._turn.degrees)
        if self._turn.degrees != 0:
            upright = self._search.within(image, regions, 0, thorough=False)
            sightings += _sightings([d for d in upright if d.score >= CLEAR], 0)
        here = [*seen, *self._here(searched or ()), *whole]
        if thorough and regions and not any(d.score >= CLEAR for d in here) and _share(regions, size_hw) <= _LITTLE:
            sightings += self._new_turned(image, regions, here)
        return sightings

    def _affordable(
        self, news: News, known: Sequence[NDArray[np.float64]], size_hw: tuple[int, int], searched: bool
    ) -> tuple[list[Region], bool]:
        """New regions, and whether the budget allows all detectors to search them."""
        pixels = size_hw[0] * size_hw[1]
        times = 1 + _SLOWER * (self._search.n_looks - 1)
        most = max(pixels, min(times * _cost(np.s_[: size_hw[0], : size_hw[1]]), _SAVED))
        self._saved = most if pixels <= _SMALL else min(most, self._saved + _granted(pixels))
        regions = news.regions(known)
        all_looks = times * sum(map(_cost, regions))
        if all_looks <= self._saved:
            self._saved -= all_looks
            return list(regions), True
        regions = news.regions(known, most=1.0)
        self._saved = max(0.0, self._saved - (0 if searched else sum(map(_cost, regions))))
        return regions, False

    def _pay(self, regions: Iterable[Region]) -> list[Region]:
        """The first regions, as many as has been saved up for."""
        chosen = []
        for region in regions:
            if (cost := _cost(region)) <= self._saved:
                self._saved -= cost
                chosen.append(region)
        return chosen

    def _around(self, boxes: Sequence[NDArray[np.float64]], size_hw: tuple[int, int]) -> list[Region]:
        """Around faces that were lost; the fastest look sees some that are turned away from those who follow them."""
        regions = [geometry.box_to_slices(geometry.expand_box(box, _LOST), size_hw) for box in boxes]
        return [(rows, columns) for rows, columns in regions if min(rows.stop - rows.start, columns.stop - columns.start) >= _BESIDE]

    def _new_turned(self, image: Image, regions: Sequence[Region], here: Sequence[Detection]) -> list[Sighting]:
        """The fastest look at what is new, at the other turns: there is no confident detection at the video's own."""
        sightings, best = list[Sighting](), here
        for degrees in self._turn.others():
            found = [d for d in self._search.within(image, regions, degrees, thorough=False) if d.score >= CLEAR]
            self._turn.note(degrees, found, best)
            best = found if self._turn.degrees == degrees else best
            sightings += _sightings(found, degrees)
        return sightings

    def _otherwise(self, image: Image, index: int, news: News, here: Sequence[Detection]) -> list[Sighting]:
        """The fastest search of another turn, at intervals; what is found at the video's own turn speaks against it."""
        degrees = self._still_turn(index) if news.still else self._turn.due(index, any(d.score >= SURE for d in here))
        if degrees is None:
            return []
        found = self._search.fast(image, degrees)
        self._turn.note(degrees, found, here)
        if self._turn.degrees == degrees:
            found = self._search.all(image, degrees)
        return _sightings([d for d in found if d.score >= CLEAR], degrees)

    def _still_turn(self, index: int) -> int | None:
        """The turn to try in a still scene: each other one once, when the searches of all of it have come to their end."""
        n = self._n_still - _ENOUGH * self._search.n_looks - 1
        others = self._turn.others()
        return others[n] if index == self._searched and 0 <= n < len(others) else None


def _granted(pixels: int) -> float:
    """Pixels that may be searched by further looks with every frame of so many."""
    return max(_PIXELS_LARGE, _SHARE * pixels) if pixels >= _LARGE else _PIXELS


def _cost(region: Region) -> int:
    """Pixels that a look at a region takes."""
    rows, columns = region
    return int((rows.stop - (rows.start or 0) + 2 * _BESIDE) * (columns.stop - (columns.start or 0) + 2 * _BESIDE))


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
