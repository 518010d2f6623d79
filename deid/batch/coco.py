"""A run's report as COCO: every face, with its result among its attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deid.batch.results import FileResult
from deid.boxes import coco
from deid.boxes.types import Box, BoxedFile, BoxedFrame
from deid.core.types import FrameResult


def report(results: Sequence[FileResult], names: Mapping[Path, str]) -> dict[str, Any]:
    """Plain values for JSON.

    Args:
        results: of every file; those of which nothing was written have no image.
        names: of the files, by source.
    """
    done = [result for result in results if result.target is not None]
    files = [_file(result, names.get(result.source, result.source.name)) for result in done]
    data = coco.write(files)
    data["info"] = {"description": "faces, and what deid made of them"}
    became = [values for result in done for values in _became(result)]
    for annotation, values in zip(data["annotations"], became, strict=True):
        annotation["attributes"] |= values
    return data


def _file(result: FileResult, name: str) -> BoxedFile:
    if result.video is not None:
        assert result.video.boxes is not None  # a run that is reported as COCO records them
        return replace(result.video.boxes, name=name)
    height, width = result.frames[0].size_hw
    return BoxedFile(name, (width, height), tuple(_frame(frame) for frame in result.frames))


def _frame(frame: FrameResult) -> BoxedFrame:
    edited = [Box(face.detection) for face in frame.faces]
    return BoxedFrame((*edited, *(Box(face.detection, keep=True) for face in frame.kept)))


def _became(result: FileResult) -> list[dict[str, Any]]:
    """Results of the faces, in the order of the boxes."""
    if result.video is None:
        edited = [
            [{"status": f.status, "method": f.method} for f in frame.faces] + [{"status": "kept"}] * len(frame.kept)
            for frame in result.frames
        ]
        return [values for frame in edited for values in frame]
    video = result.video
    by_track: dict[int | None, dict[str, Any]] = {track.track: {"status": "kept", "keep": True} for track in video.kept}
    by_track |= {track.track: {"status": "passed" if track.asked else "fallback"} for track in video.tracks}
    return [by_track.get(box.track, {}) for frame in (video.boxes.frames if video.boxes else ()) for box in frame.boxes]
