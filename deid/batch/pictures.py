"""A picture of one or more frames without its people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deid.anonymizer import known_boxes
from deid.anonymizer.protocols import PictureEngine, Selecting
from deid.boxes.types import BoxedFile, BoxedFrame
from deid.core.errors import DataError
from deid.core.types import Detection, ImageResult
from deid.imaging.codec import Picture


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What is known of a file before it is handled.

    Args:
        name: path within the input folder, with slashes: its boxes and its mask are found by it.
        boxes: where its faces are; None where they are searched.
        only: whether nothing but these boxes is covered.
        record: whether the boxes of a video are kept for a report.
        selection: which of its faces are left as they are; the engine's one when None.
    """

    name: str
    boxes: BoxedFile | None = None
    only: bool = False
    record: bool = False
    selection: Selecting | None = None


def anonymize(
    picture: Picture, engine: PictureEngine, seed: int | None, detections: Sequence[Detection] | None = None
) -> tuple[Picture, tuple[ImageResult, ...]]:
    """A picture without its people, and one result per frame.

    Args:
        picture: from `deid.imaging.codec`.
        engine: anonymizes the frames.
        seed: None for a fresh one. All frames of an animation share it.
        detections: known faces, in every frame; the engine's option ``boxes`` says whether there may be others.
    """
    first = known_boxes.process(engine, picture.frames[0].rgb, detections, seed)
    frames = (first, *(known_boxes.process(engine, f.rgb, detections, first.seed) for f in picture.frames[1:]))
    return picture.with_frames([f.image for f in frames]), frames


def anonymize_given(picture: Picture, engine: PictureEngine, seed: int | None, given: "Given") -> tuple[Picture, tuple[ImageResult, ...]]:
    """The same where boxes may be given for every frame, which stand in for the first detection.

    Raises:
        DataError: the boxes, or a mask, are of another picture.
    """
    results: list[ImageResult] = []
    frames: Sequence[BoxedFrame | None] = [None] * len(picture.frames)
    if given.boxes is not None:
        height, width = picture.frames[0].rgb.shape[:2]
        frames = given.boxes.sized((width, height)).frames
        if len(frames) != len(picture.frames):
            raise DataError(f"the boxes of {given.boxes.name} are of {len(frames)} frames, the file has {len(picture.frames)}")
    chosen: dict[str, Any] = {} if given.selection is None else {"selection": given.selection}
    for frame, boxes in zip(picture.frames, frames, strict=True):
        seed = results[0].seed if results else seed
        if boxes is None:
            results.append(engine.process(frame.rgb, None, seed, **chosen))
        else:
            results.append(known_boxes.process_boxes(engine, frame.rgb, boxes.boxes, seed, given.selection, given.only))
    return picture.with_frames([r.image for r in results]), tuple(results)
