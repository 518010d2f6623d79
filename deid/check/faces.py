"""Every face of an untouched photo, and its state in the output. No face is dropped."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.check.folders import ImagePair
from deid.check.matching import landmark_error, match_boxes
from deid.check.photo_search import PhotoSearch
from deid.core.protocols import Detector
from deid.core.types import AlignedFace, Crops, Detection, Image
from deid.detection.central import central
from deid.detection.merge import merge
from deid.detection.turned import TurnedDetector
from deid.imaging import geometry
from deid.imaging.alignment import align

_BATCH = 8
#: The editor may change what lies within a face's box times this: hair, chin and a soft border belong to the face.
AROUND_FACE = 2.0
#: Middle part of the box that tells whether a face was touched at all.
_CORE = 0.8
#: How far a cover reaches beyond the box on each side, as a share of its size.
COVER_MARGIN = 0.15


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Face:
    """One face before and after.

    Args:
        file: of the photo.
        identity: whose; a bystander counts as a person of its own.
        main: whether it is the one that the photo is named for.
        size_px: geometric mean of the box's sides.
        crop_before: (128, 128, 3) uint8 RGB, aligned.
        crop_after: the same place in the output: by the output's landmarks where a detector still finds the face, else by the
            landmarks before, for an attacker knows where heads are. Black when there is no output.
        crop_covered: the crop before with the face's box in black: what hair and background alone look like.
        change: mean absolute change of the box's middle, in grey levels.
        found_after: whether either detector finds a face there.
        has_output: whether there is an output at all.
        box_xyxy: (4,) pixels.
        contrast: mean deviation of the box's middle from its mean colour before, in grey levels: of a flat place nothing is seen.
    """

    file: str
    identity: str
    main: bool
    size_px: float
    crop_before: NDArray[np.uint8]
    crop_after: NDArray[np.uint8]
    crop_covered: NDArray[np.uint8]
    change: float
    found_after: bool
    has_output: bool
    box_xyxy: NDArray[np.float64]
    contrast: float = np.inf


FaceT_co = TypeVar("FaceT_co", bound=Face, covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A face of the untouched photo, and its place in the output.

    Args:
        pair: the photo before and after.
        known: the face before.
        found: what a detector finds in its place in the output; None for nothing.
        output: the photo after; black when there is none.
        place: where the crop of the output is taken.
        before: aligned crop of the photo before.
        after: of the output.
    """

    pair: ImagePair
    known: Detection
    found: Detection | None
    output: Image
    place: Detection
    before: AlignedFace
    after: AlignedFace

    @classmethod
    def of(cls, pair: ImagePair, known: Detection, found: Detection | None) -> "Seen":
        """A face that is known before, and what was found in its place after."""
        output = pair.after if pair.after is not None else np.zeros_like(pair.before)
        place = found if found is not None and found.landmarks is not None and known.landmarks is not None else known
        return cls(pair, known, found, output, place, align(pair.before, known), align(output, place))

    def facts(self, main: bool, number: int) -> dict[str, Any]:
        """The fields of a `Face`; ``main`` and ``number`` say which of the photo's faces it is."""
        name, has_output = self.pair.pair, self.pair.after is not None
        return {
            "file": name.name,
            "identity": name.identity if main else f"{name.name}#{number}",
            "main": main,
            "size_px": self.known.size,
            "crop_before": self.before.crop,
            "crop_after": self.after.crop,
            "crop_covered": covered(self.before),
            "change": core_change(self.pair.before, self.output, self.known.box_xyxy),
            "found_after": self.found is not None,
            "has_output": has_output,
            "box_xyxy": self.known.box_xyxy,
            "contrast": core_contrast(self.pair.before, self.known.box_xyxy),
        }


def plain_face(seen: Seen, main: bool, number: int) -> Face:
    """What a check needs of a face."""
    return Face(**seen.facts(main, number))


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Detections of one detector in one photo before and after.

    Args:
        detector: its name.
        iou_before: (N,) overlap of each face before with its partner after, 0 without one.
        iou_after: (M,) overlap of each face after with its partner before.
        error: (N,) landmark error in inter-ocular distances; infinite when the face is not found, NaN without landmarks.
    """

    detector: str
    iou_before: NDArray[np.float64]
    iou_after: NDArray[np.float64]
    error: NDArray[np.float64]


# With slots, a generic frozen class cannot be made under its full name in Python 3.11.
@dataclass(frozen=True, eq=False)
class PhotoResult(Generic[FaceT_co]):
    """One photo before and after.

    Args:
        file: its name.
        identity: whose photo it is.
        faces: every face of the untouched photo found by either detector.
        tallies: one per detector.
        outside_changed: share of pixels outside all faces that changed; NaN without an output or without any outside.
        outside_change: mean absolute change of these pixels, in grey levels.
        lossless: whether the output's format keeps pixels.
    """

    file: str
    identity: str
    faces: tuple[FaceT_co, ...]
    tallies: tuple[Tally, ...]
    outside_changed: float
    outside_change: float
    lossless: bool


class Observer(Generic[FaceT_co]):
    """Finds the faces of photos before and after.

    Args:
        detectors: a face is looked for with each of them; loaded once.
        describe: makes a face of what was seen, of whether it is the one that the photo is named for, and of its number.
        turned: searches the photos before at further turns as well, for two of the detectors.
    """

    def __init__(
        self, detectors: Sequence[Detector], describe: Callable[[Seen, bool, int], FaceT_co], turned: TurnedDetector | None = None
    ) -> None:
        self.detectors, self._describe, self._search = tuple(detectors), describe, PhotoSearch(detectors, turned)

    def observe(self, pairs: Iterable[ImagePair | None], tick: Callable[[], None] = lambda: None) -> list[PhotoResult[FaceT_co]]:
        """Results of all pairs; ``tick`` is called once for each, also for those that are None."""
        return [result for results in self.batches(pairs, tick) for result in results]

    def batches(self, pairs: Iterable[ImagePair | None], tick: Callable[[], None] = lambda: None) -> Iterator[list[PhotoResult[FaceT_co]]]:
        """The same, a few photos of one size at a time."""
        batch: list[ImagePair] = []
        for pair in pairs:
            if pair is not None and batch and (pair.before.shape != batch[0].before.shape or len(batch) == _BATCH):
                yield self._observe_batch(batch)
                batch = []
            if pair is not None:
                batch.append(pair)
            tick()
        if batch:
            yield self._observe_batch(batch)

    def _observe_batch(self, batch: list[ImagePair]) -> list[PhotoResult[FaceT_co]]:
        before = [find(d, [p.before for p in batch]) for d in self.detectors]
        after = [find(d, [p.after for p in batch]) for d in self.detectors]
        return [self._photo(pair, [b[i] for b in before], [a[i] for a in after]) for i, pair in enumerate(batch)]

    def _photo(self, pair: ImagePair, before: list[list[Detection]], after: list[list[Detection]]) -> PhotoResult[FaceT_co]:
        known, found = self._search.faces(pair.before, before), merge(d for ds in after for d in ds)
        partner = match_boxes(_boxes(known), _boxes(found)).partner_a
        main = central(known, pair.before)
        again = [self._search.again(pair.after, d, found[j] if j >= 0 else None) for d, j in zip(known, partner, strict=True)]
        faces = [self._describe(Seen.of(pair, d, other), d is main, k) for k, (d, other) in enumerate(zip(known, again, strict=True))]
        tallies = tuple(_tally(d.name, b, a) for d, b, a in zip(self.detectors, before, after, strict=True))
        changed, change = _outside(pair, _boxes(known))
        return PhotoResult(pair.pair.name, pair.pair.identity, tuple(faces), tallies, changed, change, pair.lossless)


def find(detector: Detector, images: Sequence[Image | None]) -> list[list[Detection]]:
    """Faces of each image; of None, none. Images of one size go through in one pass where the detector can."""
    present = [image for image in images if image is not None]
    batch = getattr(detector, "detect_batch", None)
    if batch is not None and present and len({image.shape for image in present}) == 1:
        found = iter(batch(present))
    else:
        found = iter([detector.detect(image) for image in present])
    return [next(found) if image is not None else [] for image in images]


def _boxes(detections: Sequence[Detection]) -> NDArray[np.float64]:
    return np.array([d.box_xyxy for d in detections], np.float64).reshape(-1, 4)


def core_change(before: Image, after: Image, box: NDArray[np.float64]) -> float:
    """Mean absolute change in grey levels of the middle of a box; 0 for a box outside the image."""
    rows, columns = geometry.box_to_slices(geometry.expand_box(box, _CORE), before.shape[:2])
    a, b = before[rows, columns].astype(np.int16), after[rows, columns].astype(np.int16)
    return float(np.abs(a - b).mean()) if a.size else 0.0


def core_contrast(image: Image, box: NDArray[np.float64]) -> float:
    """Mean deviation in grey levels of the middle of a box from its mean colour; 0 for a box outside the image."""
    part = image[geometry.box_to_slices(geometry.expand_box(box, _CORE), image.shape[:2])].astype(np.float64)
    return float(np.abs(part - part.mean(axis=(0, 1))).mean()) if part.size else 0.0


def _tally(name: str, before: list[Detection], after: list[Detection]) -> Tally:
    matches = match_boxes(_boxes(before), _boxes(after))
    errors = [_error(d, after[j] if j >= 0 else None) for d, j in zip(before, matches.partner_a, strict=True)]
    return Tally(name, matches.iou_a, matches.iou_b, np.array(errors, np.float64))


def _error(before: Detection, after: Detection | None) -> float:
    if before.landmarks is None:
        return float("nan")
    if after is None or after.landmarks is None:
        return float("inf")
    return float(landmark_error(before.landmarks, after.landmarks))


def _outside(pair: ImagePair, boxes: NDArray[np.float64]) -> tuple[float, float]:
    """Share of changed pixels and mean change outside all faces; what a tool put on false alarms counts as change."""
    if pair.after is None:
        return float("nan"), float("nan")
    h, w = pair.before.shape[:2]
    outside = np.ones((h, w), bool)
    for box in boxes:
        outside[geometry.box_to_slices(geometry.expand_box(box, AROUND_FACE), (h, w))] = False
    if not outside.any():
        return float("nan"), float("nan")
    change = np.abs(pair.before[outside].astype(np.int16) - pair.after[outside].astype(np.int16))
    return float((change.max(axis=-1) > 0).mean()), float(change.mean())


def covered(face: AlignedFace) -> NDArray[np.uint8]:
    """The crop (128, 128, 3) with the face's box and a margin in black."""
    x0, y0, x1, y1 = geometry.expand_box(face.detection.box_xyxy, 1 + 2 * COVER_MARGIN)
    corners = geometry.apply(face.matrix, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
    return np.asarray(cv2.fillConvexPoly(face.crop.copy(), np.round(corners).astype(np.int32), (0, 0, 0)), np.uint8)


def crops_of(faces: Sequence[Face], kind: Literal["before", "after", "covered"]) -> Crops:
    """Crops (N, 128, 128, 3) of faces before, after, or before with the face covered."""
    crops = [getattr(f, f"crop_{kind}") for f in faces]
    return np.stack(crops) if crops else np.zeros((0, 128, 128, 3), np.uint8)
