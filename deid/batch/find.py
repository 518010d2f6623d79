"""Faces found and written down; nothing is edited."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deid.batch.walk import is_video
from deid.boxes.types import Box, BoxedFile, BoxedFrame
from deid.core.errors import DeidError
from deid.detection.checked import detect
from deid.imaging import codec

if TYPE_CHECKING:
    from deid.anonymizer.parts import Engine
    from deid.video.results import Span


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What was found in one file.

    Args:
        source: the file.
        boxes: None when it could not be read.
        error: why, or what of it could not be read.
    """

    source: Path
    boxes: BoxedFile | None = None
    error: str = ""


def find(
    source: Path, name: str, engine: "Engine", span: "Span | None" = None, progress: Callable[[int, int], None] | None = None
) -> Found:
    """Find the faces of one file as `deid run` finds them at first; what goes wrong is in the result and never an exception.

    Args:
        source: a picture or a video.
        name: what its boxes are written under.
        engine: whose detector and options are used.
        span: of a video, which part.
        progress: called with the number of searched frames of a video, and of those to expect.
    """
    try:
        if is_video(source):
            from deid.video.pipeline import find_video

            boxes, problem = find_video(source, engine, span=span, progress=progress)
            return Found(source, replace(boxes, name=name), problem and f"searched as far as it could be read: {problem}")
        return Found(source, _picture(source, name, engine))
    except DeidError as failure:
        return Found(source, error=str(failure))
    except Exception as failure:
        # One bad photo must not cost the rest.
        return Found(source, error=f"{type(failure).__name__}: {failure}")


def _picture(source: Path, name: str, engine: "Engine") -> BoxedFile:
    frames = codec.read(source, engine.options.max_pixels).frames
    height, width = frames[0].rgb.shape[:2]
    found = [BoxedFrame(tuple(Box(d) for d in detect(engine.detector, frame.rgb))) for frame in frames]
    return BoxedFile(name, (width, height), tuple(found))
