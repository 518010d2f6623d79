"""Searches of frames with changing detectors: one often detects what the other misses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.merge import merge
from deid.detection.views import detect_turned
from deid.imaging import geometry
from deid.models.threads import SideBySide
from deid.video.novelty import Region

#: Times the smallest face of a photo: in a video, one that comes nearer is found later and followed backward.
SMALLEST = 4 / 3
#: Detections of two looks that overlap by more are one face.
_SAME_IOU = 0.4
#: The other looks confirm a faint detection in so many times its box.
_AROUND = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Faint:
    """The fastest look with a lower least score: what another look confirms of it counts too.

    Args:
        look: gives faint detections beside sure ones.
        least: score from which a detection counts without another look.
        sure: score from which no other look is asked.
    """

    look: Detector
    least: float
    sure: float


class Search:
    """Several looks that take turns.

    Args:
        looks: at least one detector; the last one should be the fastest.
        faint: of the fastest one, where it looks alone at a part of a frame.
        n_threads: how many parts of a frame are searched at the same time, by looks that may be asked so.

    Examples:
        >>> search = Search([MtcnnDetector(), MtcnnDetector(mirrored=True)])
        >>> len(search.next(image)), len(search.next(image)), len(search.all(image))
        (1, 1, 1)
    """

    def __init__(self, looks: Sequence[Detector], faint: Faint | None = None, n_threads: int = 1) -> None:
        if not looks:
            raise ValueError("expected at least one look, got none")
        self._threads = SideBySide(n_threads)
        self._looks, self._turn, self._faint = tuple(looks), 0, faint

    @property
    def n_looks(self) -> int:
        """How many looks there are."""
        return len(self._looks)

    def next(self, image: Image, degrees: int = 0) -> list[Detection]:
        """Detections of the current search in an image that is turned counter-clockwise for it; faint ones of the fastest look count when
        another confirms them."""
        look = self._looks[self._turn % len(self._looks)]
        self._turn += 1
        if look is not self._looks[-1] or self._faint is None:
            return detect_turned(look.detect, image, degrees)
        by_look = self._confirmed(self._faint, image, [np.s_[: image.shape[0], : image.shape[1]]], degrees)
        return [_surer(d, by_look) for d in merge(d for found in by_look for d in found)]

    def all(self, image: Image, degrees: int = 0) -> list[Detection]:
        """Detections of all detectors together, each face once."""
        return merge(chain(*self._threads.starmap(detect_turned, [(look.detect, image, degrees) for look in self._looks])))

    def fast(self, image: Image, degrees: int = 0) -> list[Detection]:
        """Detections of the fastest detector."""
        return detect_turned(self._looks[-1].detect, image, degrees)

    def within(
        self, image: Image, regions: Sequence[Region], degrees: int = 0, thorough: bool = True, others: bool = False
    ) -> list[Detection]:
        """Detections in parts of an image, each face once.

        Args:
            image: (H, W, 3) uint8 RGB.
            regions: the parts.
            degrees: the image is turned counter-clockwise by so much for the looks.
            thorough: all looks; the fastest alone otherwise.
            others: leave out the look that `next` asked last.

        Returns:
            Detections in pixels of the image. Of a face that several looks find, the score says how sure they are together.
        """
        looks = self._looks if thorough else self._looks[-1:]
        if others:
            looks = tuple(look for look in looks if look is not self._looks[(self._turn - 1) % len(self._looks)])
        if self._faint is not None and not thorough and looks:
            by_look = self._confirmed(self._faint, image, regions, degrees)
        else:
            by_look = [list(chain(*self._inside([look], image, regions, degrees))) for look in looks]
        return [_surer(d, by_look) for d in merge(d for found in by_look for d in found)]

    def _confirmed(self, faint: Faint, image: Image, regions: Sequence[Region], degrees: int) -> list[list[Detection]]:
        """Detections of the fastest look, faint ones where another look has the same close by, and those of the other looks there."""
        found = list(chain(*self._inside([faint.look], image, regions, degrees)))
        kept, others = [d for d in found if d.score >= faint.least], list[Detection]()
        doubted = [d for d in found if d.score < faint.sure]
        around = [geometry.box_to_slices(geometry.expand_box(d.box_xyxy, _AROUND), image.shape[:2]) for d in doubted]
        for doubtful, seen in zip(doubted, self._inside(self._looks[:-1], image, around, degrees), strict=True):
            same = [d for d in seen if geometry.box_iou(d.box_xyxy, doubtful.box_xyxy)[0, 0] > _SAME_IOU]
            kept += [doubtful] if same and doubtful.score < faint.least else []
            others += same
        return [kept, others]

    def _inside(self, looks: Sequence[Detector], image: Image, regions: Sequence[Region], degrees: int) -> list[list[Detection]]:
        """For each part of an image, what the looks detect there, one look after the other."""
        found = self._threads.starmap(_inside, [(look, image, region, degrees) for region in regions for look in looks])
        n = len(looks)
        return [list(chain(*found[i * n : (i + 1) * n])) for i in range(len(regions))]


def _inside(look: Detector, image: Image, region: Region, degrees: int) -> list[Detection]:
    rows, columns = region
    origin = np.array([columns.start or 0, rows.start or 0], float)
    found = detect_turned(look.detect, np.ascontiguousarray(image[region]), degrees)
    return [d.moved(np.ones(2), origin) for d in found]


def _surer(detection: Detection, by_look: Sequence[Sequence[Detection]]) -> Detection:
    """A detection with the score of all looks that found it: one that is faint for two of them is hardly a mistake of both."""
    doubt = 1.0
    for found in by_look:
        same = [d.score for d in found if geometry.box_iou(d.box_xyxy, detection.box_xyxy)[0, 0] > _SAME_IOU]
        doubt *= 1 - max(same, default=0.0)
    return replace(detection, score=max(detection.score, 1 - doubt))
