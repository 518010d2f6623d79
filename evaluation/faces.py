"""Every face of an untouched photo, and what became of it in the output. Nothing that was found is ever dropped."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Detector
from deid.core.types import AlignedFace, Crops, Detection, Image
from deid.detection.merge import merge
from deid.imaging import geometry
from deid.imaging.alignment import SIZE, align, align_matrix, landmarks_of, warp
from deid.landmarks.face_points import FacePoints
from deid.training.data import central
from evaluation.close import LEAST_PX, Close, close_look
from evaluation.detectors import find
from evaluation.folders import ImagePair
from evaluation.metrics.detection import match_boxes
from evaluation.metrics.landmarks import angle_difference, head_pose, landmark_error, mouth_opening

_BATCH = 8
#: The editor may change what lies within a face's box times this: hair, chin and a soft border belong to the face.
AROUND_FACE = 2.0
#: Middle part of the box that tells whether a face was touched at all.
_CORE = 0.8
#: How far a cover reaches beyond the box on each side, as a share of its size.
COVER_MARGIN = 0.15


@dataclass(frozen=True, slots=True, eq=False)
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
        pose_change_deg: mean absolute change of yaw, pitch and roll; NaN when it is not found.
        mouth_change: change of the mouth's opening; NaN when it is not found.
        box_xyxy: (4,) pixels.
        context_before: (128, 128, 3) the surroundings at half the scale with the face in black; None when not asked for.
        context_after: the same of the output.
        gender: ``male``, ``female`` or empty.
        close: what a close look shows, of a face that is large enough and has an output; None when not asked for.
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
    pose_change_deg: float
    mouth_change: float
    box_xyxy: NDArray[np.float64]
    context_before: NDArray[np.uint8] | None = None
    context_after: NDArray[np.uint8] | None = None
    gender: str = ""
    close: Close | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What one detector says of one photo before and after.

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


@dataclass(frozen=True, slots=True, eq=False)
class PhotoResult:
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
    faces: tuple[Face, ...]
    tallies: tuple[Tally, ...]
    outside_changed: float
    outside_change: float
    lossless: bool


class Observer:
    """Finds the faces of photos before and after; the detectors are loaded once.

    Args:
        detectors: the two that a face is looked for with.
        points: gives 68 points of a crop; None leaves pose and mouth out.
        context: whether to keep the surroundings of each face.
        close: whether to look at large faces closely.
    """

    def __init__(self, detectors: Sequence[Detector], points: FacePoints | None = None, context: bool = False, close: bool = False) -> None:
        self.detectors, self._points, self._context, self._close = tuple(detectors), points, context, close

    def observe(self, pairs: Iterable[ImagePair | None], tick: Callable[[], None] = lambda: None) -> list[PhotoResult]:
        """Results of all pairs; ``tick`` is called once for each, also for those that are None."""
        results: list[PhotoResult] = []
        batch: list[ImagePair] = []
        for pair in pairs:
            if pair is not None and batch and (pair.before.shape != batch[0].before.shape or len(batch) == _BATCH):
                results += self._observe_batch(batch)
                batch = []
            if pair is not None:
                batch.append(pair)
            tick()
        return results + self._observe_batch(batch)

    def _observe_batch(self, batch: list[ImagePair]) -> list[PhotoResult]:
        before = [find(d, [p.before for p in batch]) for d in self.detectors]
        after = [find(d, [p.after for p in batch]) for d in self.detectors]
        return [self._photo(pair, [b[i] for b in before], [a[i] for a in after]) for i, pair in enumerate(batch)]

    def _photo(self, pair: ImagePair, before: list[list[Detection]], after: list[list[Detection]]) -> PhotoResult:
        known, found = merge(d for ds in before for d in ds), merge(d for ds in after for d in ds)
        partner = match_boxes(_boxes(known), _boxes(found)).partner_a
        main = central(known, pair.before)
        faces = [
            self._face(pair, d, found[j] if j >= 0 else None, d is main, k) for k, (d, j) in enumerate(zip(known, partner, strict=True))
        ]
        tallies = tuple(_tally(d.name, b, a) for d, b, a in zip(self.detectors, before, after, strict=True))
        changed, change = _outside(pair, _boxes(known))
        return PhotoResult(pair.pair.name, pair.pair.identity, tuple(faces), tallies, changed, change, pair.lossless)

    def _face(self, pair: ImagePair, known: Detection, found: Detection | None, main: bool, number: int) -> Face:
        output = pair.after if pair.after is not None else np.zeros_like(pair.before)
        place = found if found is not None and found.landmarks is not None and known.landmarks is not None else known
        first, second = align(pair.before, known), align(output, place)
        pose, mouth = self._expression(pair, first.crop, known, second.crop, place) if found is not None else (np.nan, np.nan)
        return Face(
            file=pair.pair.name,
            identity=pair.pair.identity if main else f"{pair.pair.name}#{number}",
            main=main,
            size_px=known.size,
            crop_before=first.crop,
            crop_after=second.crop,
            crop_covered=covered(first),
            change=core_change(pair.before, output, known.box_xyxy),
            found_after=found is not None,
            has_output=pair.after is not None,
            pose_change_deg=pose,
            mouth_change=mouth,
            box_xyxy=known.box_xyxy,
            context_before=surroundings(pair.before, known) if self._context else None,
            context_after=surroundings(output, known) if self._context else None,
            close=close_look(pair.before, output, first) if self._close and pair.after is not None and known.size >= LEAST_PX else None,
        )

    def _expression(self, pair: ImagePair, crop_a: Image, a: Detection, crop_b: Image, b: Detection) -> tuple[float, float]:
        if self._points is None:
            return float("nan"), float("nan")
        points = [
            geometry.apply(geometry.invert(align_matrix(landmarks_of(d))), self._points.points(c)) for c, d in ((crop_a, a), (crop_b, b))
        ]
        pose = [head_pose(p, (pair.before.shape[0], pair.before.shape[1])) for p in points]
        return float(angle_difference(*pose).mean()), abs(mouth_opening(points[0]) - mouth_opening(points[1]))


def _boxes(detections: Sequence[Detection]) -> NDArray[np.float64]:
    return np.array([d.box_xyxy for d in detections], np.float64).reshape(-1, 4)


def core_change(before: Image, after: Image, box: NDArray[np.float64]) -> float:
    """Mean absolute change in grey levels of the middle of a box; 0 for a box outside the image."""
    rows, columns = geometry.box_to_slices(geometry.expand_box(box, _CORE), before.shape[:2])
    a, b = before[rows, columns].astype(np.int16), after[rows, columns].astype(np.int16)
    return float(np.abs(a - b).mean()) if a.size else 0.0


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


def surroundings(image: Image, face: Detection) -> NDArray[np.uint8]:
    """A crop (128, 128, 3) around a face at half the scale of an aligned one, with the face's box and a margin in black."""
    half = np.array([[0.5, 0.0, SIZE / 4], [0.0, 0.5, SIZE / 4]])
    matrix = align_matrix(landmarks_of(face))
    wide = np.column_stack([half[:, :2] @ matrix[:, :2], geometry.apply(half, matrix[:, 2])])
    return covered(AlignedFace(warp(image, wide), wide, face))


def crops_of(faces: Sequence[Face], kind: Literal["before", "after", "covered"]) -> Crops:
    """Crops (N, 128, 128, 3) of faces before, after, or before with the face covered."""
    crops = [getattr(f, f"crop_{kind}") for f in faces]
    return np.stack(crops) if crops else np.zeros((0, 128, 128, 3), np.uint8)


def with_genders(faces: Sequence[Face], labelled: dict[str, str], male: NDArray[np.float64] | None) -> list[Face]:
    """Faces with their gender: labelled for the main face of a listed file, else read from the untouched crop.

    Args:
        faces: to complete.
        labelled: gender by file name.
        male: (N,) probability of `Male` before; None when no classifier is there.
    """
    guessed = ["" if male is None else ("male" if male[i] > 0.5 else "female") for i in range(len(faces))]
    return [replace(f, gender=(labelled.get(f.file.rsplit("/", 1)[-1], g) if f.main else g)) for f, g in zip(faces, guessed, strict=True)]
