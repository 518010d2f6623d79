"""COCO's JSON: boxes with scores, the five landmarks as keypoints; a video's frames are images.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and cocodataset.org/#format-data. `videos`, `video_id`,
`frame_id` and `track_id` are those of YouTube-VIS and of mmtracking's CocoVID.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.boxes.types import Box, BoxedFile, BoxedFrame, frame_name, of_frames
from deid.core.errors import DataError
from deid.core.types import LABELS, Detection

_POINTS = ("right_eye", "left_eye", "nose", "right_mouth_corner", "left_mouth_corner")
#: Names of categories that other tools use, in lower case and without what stands between words.
_NAMES = dict.fromkeys(("face", "faces", "humanface", "head"), "face") | dict.fromkeys(
    ("licenseplate", "licenceplate", "numberplate", "plate", "vehicleregistrationplate"), "license_plate"
)


def categories() -> list[dict[str, Any]]:
    """The categories of every file that is written."""
    face = {"id": 1, "name": "face", "supercategory": "person", "keypoints": list(_POINTS), "skeleton": []}
    return [face, {"id": 2, "name": "license_plate", "supercategory": "vehicle"}]


def write(files: Sequence[BoxedFile]) -> dict[str, Any]:
    """Plain values for JSON."""
    data: dict[str, Any] = {"info": {"description": "faces found by deid"}, "images": [], "annotations": [], "categories": categories()}
    videos = [file for file in files if file.video]
    if videos:
        data["videos"] = [_video(number, video) for number, video in enumerate(videos, 1)]
    for file in files:
        video = 1 + videos.index(file) if file.video else None
        for index, frame in enumerate(file.frames):
            image = len(data["images"]) + 1
            data["images"].append(_image(image, file, index, frame, video))
            for box in frame.boxes:
                data["annotations"].append(annotation(len(data["annotations"]) + 1, image, box))
    return data


def _video(number: int, video: BoxedFile) -> dict[str, Any]:
    width, height = video.size_wh or (0, 0)
    return {"id": number, "name": video.name, "width": width, "height": height}


def _image(number: int, file: BoxedFile, index: int, frame: BoxedFrame, video: int | None) -> dict[str, Any]:
    width, height = file.size_wh or (0, 0)
    name = frame_name(file.name, index, len(file.frames), file.video)
    fields: dict[str, Any] = {"id": number, "file_name": name, "width": width, "height": height}
    if video is not None:
        fields |= {"video_id": video, "frame_id": index}
    return fields | ({} if frame.time_s is None else {"time_s": frame.time_s})


def annotation(number: int, image: int, box: Box) -> dict[str, Any]:
    """One annotation; ``number`` and ``image`` are its id and the image's."""
    x0, y0, x1, y1 = box.detection.box_xyxy
    w, h = float(x1 - x0), float(y1 - y0)
    fields: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": 1 + LABELS.index(box.label),
        "bbox": [float(x0), float(y0), w, h],
        "area": w * h,
        "iscrowd": 0,
        "segmentation": [[float(v) for v in (x0, y0, x1, y0, x1, y1, x0, y1)]],
        "score": box.detection.score,
        # Corner and size do not always lead back to the other corner to the last bit.
        "attributes": {"detector": box.detection.detector, "keep": box.keep, "box_xyxy": box.detection.box_xyxy.tolist()},
    }
    if box.detection.landmarks is not None:
        fields |= {"keypoints": [float(v) for x, y in box.detection.landmarks for v in (x, y, 2)], "num_keypoints": 5}
    if box.track is not None:
        fields["track_id"] = box.track
        fields["attributes"]["state"] = box.state
    return fields


def read(data: dict[str, Any]) -> list[BoxedFile]:
    """Files of any COCO file of faces.

    Args:
        data: plain values.

    Raises:
        DataError: it is no such file, or something in it makes no sense.
    """
    try:
        labels = {row["id"]: _label(row) for row in data["categories"]}
        images = {row["id"]: row for row in data["images"]}
        boxes: dict[Any, list[Box]] = {number: [] for number in images}
        for row in data["annotations"]:
            if row["image_id"] not in images:
                raise DataError(f"annotation {row.get('id')} is of the image {row['image_id']}, which is not listed")
            boxes[row["image_id"]].append(_box(row, labels, str(images[row["image_id"]]["file_name"])))
        rows = [
            (str(row["file_name"]), (int(row["width"]), int(row["height"])), BoxedFrame(tuple(boxes[number]), row.get("time_s")))
            for number, row in images.items()
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"expected COCO's images, annotations and categories: {error} is missing or of another kind") from error
    return of_frames(rows)


def _corners(bbox: list[float], exact: object) -> NDArray[np.float64]:
    """Corners of a box: the exact ones where nobody has moved it since."""
    x, y, w, h = bbox
    if isinstance(exact, list) and len(exact) == 4:
        x0, y0, x1, y1 = (float(v) for v in exact)
        if [x0, y0, x1 - x0, y1 - y0] == bbox:
            return np.array([x0, y0, x1, y1])
    return np.array([x, y, x + w, y + h])


def _label(row: dict[str, Any]) -> str | None:
    return _NAMES.get("".join(c for c in str(row["name"]).lower() if c.isalnum()))


def _box(row: dict[str, Any], labels: dict[Any, str | None], name: str) -> Box:
    label = labels.get(row["category_id"])
    if label is None:
        raise DataError(f"annotation {row.get('id')} of {name} is of a category that is neither face nor license_plate")
    x, y, w, h = (float(v) for v in row["bbox"])
    fields = row.get("attributes") or {}
    points = np.array(row["keypoints"], np.float64).reshape(-1, 3) if len(row.get("keypoints") or ()) == 15 else None
    landmarks = points[:, :2] if points is not None and (points[:, 2] > 0).all() else None
    track = row.get("track_id")
    try:
        found = float(row.get("score", 1.0)), landmarks, str(fields.get("detector", "user")), label
        detection = Detection(_corners([x, y, w, h], fields.get("box_xyxy")), *found)
        return Box(detection, None if track is None else int(track), fields.get("state", "seen"), bool(fields.get("keep", False)))
    except ValueError as error:
        raise DataError(f"annotation {row.get('id')} of {name}: {error}") from error
