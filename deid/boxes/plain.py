"""deid's own JSON: every number as it is, so that what is read back is what was written."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deid._version import __version__
from deid.boxes.types import Box, BoxedFile, BoxedFrame, View
from deid.core.errors import DataError
from deid.core.types import Detection

#: What names the format, and its version.
KIND, VERSION = "deid boxes", 1


def write(files: Sequence[BoxedFile]) -> str:
    """JSON text, a line a frame."""
    head = json.dumps({"format": KIND, "version": VERSION, "deid": __version__})[:-1]
    return head + ', "files": [\n' + ",\n".join(_file(file) for file in files) + "\n]}\n"


def _file(file: BoxedFile) -> str:
    head = json.dumps({"file": file.name, "kind": "film" if file.video else "picture", "size_wh": list(file.size_wh or ())})[:-1]
    return head + ', "frames": [\n' + ",\n".join(json.dumps(_frame(frame)) for frame in file.frames) + "\n]}"


def _frame(frame: BoxedFrame) -> dict[str, Any]:
    fields: dict[str, Any] = {"boxes": [_box(box) for box in frame.boxes]}
    if frame.time_s is not None:
        fields["time_s"] = frame.time_s
    if frame.views:
        views = {track: [{"frame": v.frame, **_detection(v.detection)} for v in own] for track, own in frame.views.items()}
        fields["views"] = views
    return fields


def _box(box: Box) -> dict[str, Any]:
    fields = _detection(box.detection)
    if box.track is not None:
        fields |= {"track": box.track, "state": box.state}
    return fields | ({"keep": True} if box.keep else {})


def _detection(detection: Detection) -> dict[str, Any]:
    points = detection.landmarks
    return {
        "box_xyxy": detection.box_xyxy.tolist(),
        "score": detection.score,
        "landmarks": None if points is None else points.tolist(),
        "detector": detection.detector,
        "label": detection.label,
    }


def read(data: dict[str, Any]) -> list[BoxedFile]:
    """Files of what `write` wrote, as a person may have changed it.

    Raises:
        DataError: something is missing or makes no sense; the file that it is said of is named.
    """
    if data.get("version") != VERSION:
        raise DataError(f"expected version {VERSION} of the format {KIND!r}, got {data.get('version')!r}")
    return [_read_file(row) for row in _list(data, "files", "the file of boxes")]


def _read_file(row: dict[str, Any]) -> BoxedFile:
    name = row.get("file")
    if not isinstance(name, str) or not name:
        raise DataError(f"expected a file's name in each of the files, got {name!r}")
    size, video = row.get("size_wh"), row.get("kind") == "film"
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(v, int) and v > 0 for v in size):
        raise DataError(f"expected size_wh of {name} to be two whole numbers, got {size!r}")
    frames = tuple(_read_frame(frame, f"{name}, frame {i}", video) for i, frame in enumerate(_list(row, "frames", name)))
    return BoxedFile(name, (size[0], size[1]), frames, video)


def _read_frame(frame: dict[str, Any], where: str, video: bool) -> BoxedFrame:
    try:
        boxes, views = tuple(_boxes(frame.get("boxes", []), video)), _views(frame.get("views", {}))
        time_s = None if frame.get("time_s") is None else float(frame["time_s"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{where}: {error if not isinstance(error, KeyError) else f'{error} is missing'}") from error
    return BoxedFrame(boxes, time_s, views if video else None)


def _boxes(rows: list[dict[str, Any]], video: bool) -> Iterator[Box]:
    for row in rows:
        track = None if row.get("track") is None else int(row["track"])
        if video and track is None:
            raise ValueError("expected a track in each box of a video, got none")
        yield Box(_read_detection(row), track, row.get("state", "seen"), bool(row.get("keep", False)))


def _views(rows: dict[str, list[dict[str, Any]]]) -> dict[int, tuple[View, ...]]:
    return {int(track): tuple(View(int(row["frame"]), _read_detection(row)) for row in own) for track, own in rows.items()}


def _read_detection(row: dict[str, Any]) -> Detection:
    points = row.get("landmarks")
    landmarks = None if points is None else np.array(points, np.float64)
    fields = float(row.get("score", 1.0)), landmarks, str(row.get("detector", "user")), str(row.get("label", "face"))
    return Detection(np.array(row["box_xyxy"], np.float64), *fields)


def _list(row: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    value = row.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(f"expected a list of {key} in {where}, got {type(value).__name__}")
    return value
