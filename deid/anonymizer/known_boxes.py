"""Known faces of a picture: their boxes must fit the picture, and the picture may hold others."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.protocols import PictureEngine, Selecting
from deid.boxes.types import Box
from deid.core.errors import DetectionError
from deid.core.types import Detection, Image, ImageResult, KeptFace
from deid.detection.checked import detect
from deid.detection.merge import is_among
from deid.imaging import geometry

#: A box of which less lies inside the picture is of another one.
_LEAST_INSIDE = 0.5
#: No face is seen on fewer pixels; a box that ends before the second pixel is given in shares of the picture.
_LEAST_SIDE = 2.0
#: A detection that overlaps a known box so much is the same face.
_SAME_IOU = 0.4
#: A face counts as edited when so much of its middle changed, each pixel by more than the second encoding of a JPEG does.
_LEAST_CHANGED, _TOLERANCE = 0.6, 6
#: How often the result is searched for further faces.
_ROUNDS = 5


def why_not(box: Sequence[float], size_wh: tuple[int, int]) -> str:
    """Why a box cannot be of a face in a picture of that size, or nothing."""
    corners, (width, height) = np.asarray(box, np.float64), size_wh
    shown = "[" + ", ".join(f"{v:g}" for v in corners) + "]"
    if (np.abs(corners) > 10.0 * max(size_wh)).any():
        return f"the box {shown} lies beyond the picture of {width} x {height} pixels"
    if np.abs(corners).max() <= _LEAST_SIDE or (corners[2:] - corners[:2] < _LEAST_SIDE).any():
        return f"the box {shown} is smaller than a face can be: boxes are [x0, y0, x1, y1] in pixels, not in shares of the picture"
    inside = geometry.box_area(geometry.clip_box(corners, (height, width)))[0] / geometry.box_area(corners)[0]
    return "" if inside >= _LEAST_INSIDE else f"the box {shown} lies beyond the picture of {width} x {height} pixels"


def process(engine: PictureEngine, image: Image, known: Sequence[Detection] | None, seed: int | None) -> ImageResult:
    """Anonymize a picture in which some faces are known.

    Args:
        engine: does the work; its option ``boxes`` says whether the picture is searched for further faces.
        image: (H, W, 3) uint8 RGB.
        known: faces that are there; the detector finds them all when there are none.
        seed: for reproducible output.

    Raises:
        DetectionError: faces are still exposed after several rounds.
    """
    if not known or engine.options.boxes == "only":
        return engine.process(image, known or None, seed)
    result = engine.process(image, with_detected(known, engine.detector.detect(image)), seed)
    for _ in range(_ROUNDS):
        left = exposed(engine.detector.detect(result.image), changed(image, result.image, tolerance=0))
        left = [d for d in left if not is_among(d, [face.detection for face in result.kept])]
        if not left:
            return result
        more = engine.process(result.image, left, result.seed)
        result = ImageResult(more.image, (*result.faces, *more.faces), result.seed, (*result.kept, *more.kept))
    raise DetectionError(f"faces are still exposed after {_ROUNDS} rounds")


def process_boxes(
    engine: PictureEngine, image: Image, boxes: Sequence[Box], seed: int | None, selection: Selecting | None, only: bool
) -> ImageResult:
    """Anonymize a picture whose faces somebody has looked through.

    Args:
        engine: anonymizes.
        image: (H, W, 3) uint8 RGB.
        boxes: in place of the first detection; those to be kept are left as they are.
        seed: for reproducible output.
        selection: which faces are left as they are besides; None for none.
        only: edit these boxes and no others; what is detected in the result is named among the faces that were kept.
    """
    faces = [box.detection for box in boxes if not box.keep]
    selection = (selection or engine.models.keeping_nobody).marking([box.detection for box in boxes if box.keep])
    if not only:
        return engine.process(image, None, seed, first=faces, selection=selection)
    result = engine.process(image, faces, seed, selection=selection)
    again = exposed(detect(engine.models.second_detector, result.image), changed(image, result.image, tolerance=0))
    left = [d for d in again if not is_among(d, [face.detection for face in result.kept])]
    return replace(result, kept=(*result.kept, *(KeptFace(d, "detected in the result, and none of the given boxes") for d in left)))


def with_detected(known: Sequence[Detection], detected: Iterable[Detection]) -> list[Detection]:
    """The known faces with the landmarks of the detections that are the same, and all other detections."""
    faces, boxes = list(known), np.stack([d.box_xyxy for d in known])
    for detection in detected:
        overlap = geometry.box_iou(detection.box_xyxy, boxes).reshape(-1)
        best = int(overlap.argmax())
        if overlap[best] < _SAME_IOU:
            faces.append(detection)
        elif faces[best].landmarks is None:
            faces[best] = replace(faces[best], landmarks=detection.landmarks)
    return faces


def changed(before: Image, after: Image, tolerance: int = _TOLERANCE) -> NDArray[np.bool_]:
    """(H, W), where two pictures of one size differ by more than a tolerance."""
    return np.asarray((np.abs(before.astype(np.int16) - after.astype(np.int16)) > tolerance).any(axis=2))


def exposed(detected: Iterable[Detection], touched: NDArray[np.bool_]) -> list[Detection]:
    """Detections whose middle lies where nothing was edited."""
    return [d for d in detected if geometry.share_of_middle(d.box_xyxy, touched) < _LEAST_CHANGED]
