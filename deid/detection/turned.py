"""Detection at further turns, for lying people and for photos taken sideways without an EXIF rotation.

Detectors also detect some turned faces in the upright photo, with high scores. The agreement of two detectors on eyes and mouth decides:
in 20 photos with 88 faces, they agree on a quarter of the detections or more in every upright photo. They never do in one that is turned by
a quarter turn or more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.checked import give_back_after
from deid.detection.close_looks import QUARTERS, at_quarters, lying_at
from deid.detection.merge import SAME_IOU, is_among, merge, ranked
from deid.detection.threshold import at_least
from deid.detection.views import detect_turned, roll_of
from deid.detection.weak import Signal, detect_in_smaller, signal_of
from deid.imaging import geometry
from deid.models.threads import SideBySide, n_threads

#: Two detectors agree on a face at this score, with boxes of one face, and with landmarks at most this many sizes apart.
_FIRST_SURE, _SECOND_SURE, _SAME_POINTS = 0.95, 0.6, 0.12
#: Share of the detections that two detectors must agree on in a photo that is upright.
_UPRIGHT_SHARE = 0.25
#: Share below which a photo is also searched at half its size: faces under masks, for example, are certain for neither.
_SURE_SHARE = 0.4
#: Faces that are turned further than this are searched again, turned by the nearest eighth.
_MOST_ROLL = 25.0
_EIGHTHS = (45, 135, 225, 315)
#: How far a photo is shrunk for a quick look at the other quarters: of one with nothing in it, and of one that is upright, where a
#: person may lie all the same. The second is no longer than so many pixels, or it would cost more than a tenth of a blur.
_EMPTY_SCALE, _UPRIGHT_SCALE, _UPRIGHT_SIDE = 0.5, 0.25, 192
#: Least side in pixels of a photo that is shrunk for that, and the longest of one that is searched at further turns: a turned copy of a
#: huge one would double what it takes.
_LEAST_SIDE, _MOST_SIDE = 64, 4096


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What two detectors found at one turn: all of it, and what they agree on."""

    degrees: int
    found: list[Detection]
    agreed: list[Detection]

    @property
    def is_upright(self) -> bool:
        return bool(self.agreed) and len(self.agreed) >= _UPRIGHT_SHARE * len(self.found)

    @property
    def is_doubtful(self) -> bool:
        return not self.found or len(self.agreed) < _SURE_SHARE * len(self.found)

    @property
    def sure(self) -> list[Detection]:
        """What one detector is sure of, whether the other agrees or not."""
        return [d for d in self.found if d.score >= _SECOND_SURE]

    @property
    def roll(self) -> float:
        """Degrees by which the faces are turned as this view shows them, in [-180, 180)."""
        rolls = [roll_of(d.landmarks) + self.degrees for d in self.agreed if d.landmarks is not None]
        return float(np.median((np.array(rolls) + 180) % 360 - 180)) if rolls else 0.0


class TurnedDetector:
    """Two detectors, and further turns where they don't agree on the faces of the upright photo.

    Where they do, a quick look at the photo turned by quarters remains, for somebody who lies beside people who stand, and close looks at
    what the second detector alone sees there. Photos in which they agree on few faces, and those with a weak signal, are looked at in about
    half the size as well, and as negatives.

    Args:
        first: gives landmarks; precise, and lost when a face is turned.
        second: gives landmarks as well, and sees faces at most turns.
        least: what the second one detects with a lower score is no face; an upright photo is looked at closely there.
    """

    def __init__(self, first: Detector, second: Detector, least: float | None = None) -> None:
        self.detectors = self._first, self._second = first, at_least(second, least)
        self._faint, self._least = second, least or 0.0
        self._threads = SideBySide(min(2, n_threads()))
        self.name = f"{first.name}+{second.name}"

    def detect(self, image: Image) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 RGB image, however they are turned."""
        first, second = self._threads.starmap(_shrunk, [(detector, image, 0, 1.0) for detector in (self._first, self._faint)])
        return self.around(image, first, second)

    def around(self, image: Image, first: list[Detection], second: list[Detection]) -> list[Detection]:
        """The same where each of the two detectors has already searched the upright image.

        Args:
            image: (H, W, 3) uint8 RGB.
            first: what the first detector found.
            second: what the second one found, what is faint included.
        """
        upright = self._agreed(0, first, [d for d in second if d.score >= self._least])
        if (signal := signal_of(image)) != "ordinary" or upright.is_doubtful:
            smaller = detect_in_smaller(self._second, image, signal)
            upright = replace(upright, found=merge([*upright.found, *smaller]))
        if upright.is_upright and abs(upright.roll) <= _MOST_ROLL:
            scale = min(_UPRIGHT_SCALE, _UPRIGHT_SIDE / max(image.shape[:2]))
            lying = [self._view(image, degrees) for degrees in self._fired(image, upright, scale)]
            close = lying_at(self._second, image, [d for d in second if not is_among(d, first)])
            # What two detectors agree on at some turn goes before what one of them sees upright: that may be a piece of it.
            return ranked([close, upright.agreed, *(view.agreed for view in lying), upright.found])
        views = [upright] if upright.is_upright else self._all_round(image, upright, signal)
        best = max(views, key=lambda view: len(view.agreed))
        if abs(best.roll) > _MOST_ROLL:
            views.append(self._view(image, (best.degrees - 45 * round(best.roll / 45)) % 360))
            best = max(views, key=lambda view: len(view.agreed))
        if best.agreed:
            return ranked([best.found, *(view.agreed for view in views), upright.found])
        surest = max(views, key=lambda view: sum(d.score for d in view.sure))
        return ranked([surest.sure, upright.found])

    def _all_round(self, image: Image, upright: _View, signal: Signal) -> list[_View]:
        """Views of a photo that does not stand upright, or has nobody in it: the likely ones, then the others."""
        fired = self._fired(image, upright, _EMPTY_SCALE)
        views = [upright, *(self._view(image, degrees, signal) for degrees in fired), *self._negative(image, (0,))]
        if not any(view.agreed for view in views):
            views += self._negative(image, QUARTERS)
        if not any(view.agreed for view in views) and any(d.score >= _SECOND_SURE for view in views for d in view.found):
            # There is something, and it stands at none of the turns so far.
            views += [self._view(image, degrees, signal) for degrees in QUARTERS if degrees not in fired]
        if not any(view.agreed for view in views) and any(view.found for view in views):
            # A face that leans by half of a quarter is faint at each of them.
            views += [self._view(image, degrees) for degrees in _EIGHTHS if self._fires(image, degrees)]
        return views

    def _fires(self, image: Image, degrees: int) -> bool:
        """Whether the second detector sees a face in the shrunk photo at that turn."""
        return any(d.score >= _SECOND_SURE for d in _shrunk(self._second, image, degrees, _EMPTY_SCALE))

    def _negative(self, image: Image, turns: Sequence[int]) -> list[_View]:
        """What is found in the negative at some turns, where that is what stands upright there."""
        negative = 255 - image
        views = [self._view(negative, degrees) for degrees in turns if self._fires(negative, degrees)]
        return [view for view in views if view.is_upright]

    def _view(self, image: Image, degrees: int, signal: Signal = "ordinary") -> _View:
        scale = min(1.0, _MOST_SIDE / max(image.shape[:2]))
        second = _shrunk(self._second, image, degrees, scale)
        if signal != "ordinary":
            second = merge([*second, *detect_turned(lambda seen: detect_in_smaller(self._second, seen, signal), image, degrees)])
        if not any(d.score >= _SECOND_SURE for d in second):
            # There is nothing to agree on.
            return _View(degrees, second, [])
        give_back_after(image)
        return self._agreed(degrees, _shrunk(self._first, image, degrees, scale), second)

    def _agreed(self, degrees: int, first: list[Detection], second: list[Detection]) -> _View:
        agreed = [d for d in first if any(_agree(d, other) for other in second)]
        return _View(degrees, merge(chain(first, second)), agreed)

    def _fired(self, image: Image, upright: _View, scale: float) -> list[int]:
        """Quarters at which the second detector, in a shrunk photo, sees a face where there is none upright."""
        known = np.array([d.box_xyxy for d in upright.found]).reshape(-1, 4)
        (seen,) = at_quarters(self._second, [_small(image, scale)])
        fired = []
        for degrees, found in zip(QUARTERS, seen, strict=True):
            there = [d.moved(_back(image, scale), np.zeros(2)) for d in found]
            new = there if not upright.is_upright else [d for d in there if d.score >= _SECOND_SURE and not _is_known(d, known)]
            if new:
                fired.append(degrees)
        return fired


def _agree(first: Detection, second: Detection) -> bool:
    if first.landmarks is None or second.landmarks is None or first.score < _FIRST_SURE or second.score < _SECOND_SURE:
        return False
    if geometry.box_iou(first.box_xyxy, second.box_xyxy)[0, 0] <= SAME_IOU:
        return False
    return float(np.abs(first.landmarks - second.landmarks).mean()) < _SAME_POINTS * first.size


def _is_known(d: Detection, boxes: NDArray[np.float64]) -> bool:
    """Whether the middle of a detection lies in one of the boxes (N, 4)."""
    middle = (d.box_xyxy[:2] + d.box_xyxy[2:]) / 2
    return bool(((boxes[:, :2] <= middle) & (middle <= boxes[:, 2:])).all(axis=1).any())


def _shrunk(detector: Detector, image: Image, degrees: int, scale: float) -> list[Detection]:
    """`detect_turned` in an image that is shrunk to so much of its size, but not below a detector's use."""
    if scale == 1.0:
        return detect_turned(detector.detect, image, degrees)
    return [d.moved(_back(image, scale), np.zeros(2)) for d in detect_turned(detector.detect, _small(image, scale), degrees)]


def _small_size(image: Image, scale: float) -> list[int]:
    return [max(min(side, _LEAST_SIDE), round(side * scale)) for side in image.shape[1::-1]]


def _small(image: Image, scale: float) -> Image:
    return np.asarray(cv2.resize(image, _small_size(image, scale), interpolation=cv2.INTER_AREA), np.uint8)


def _back(image: Image, scale: float) -> NDArray[np.float64]:
    """Scales (2,) of x and y from pixels of the shrunk image to the image's."""
    return np.array(image.shape[1::-1]) / _small_size(image, scale)
