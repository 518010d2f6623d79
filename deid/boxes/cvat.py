"""CVAT for images 1.1: XML that CVAT imports and exports; a video's frames are images, and their boxes have a track.

docs.cvat.ai, "CVAT for image 1.1". CVAT rounds to two decimals when it exports.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from deid.boxes.types import STATES, Box, BoxedFile, BoxedFrame, frame_name, of_frames
from deid.core.errors import DataError
from deid.core.types import LABELS, Detection

_COLOURS = {"face": "#ff6037", "license_plate": "#3d3df5"}
#: Attributes of a box: name, kind of input, default, and the values that it may have, one a line.
_ATTRIBUTES = (
    ("score", "text", "1", ""),
    ("keep", "checkbox", "false", "false"),
    ("track", "text", "", ""),
    ("state", "select", "seen", "\n".join(STATES)),
    ("detector", "text", "user", ""),
    ("landmarks", "text", "", ""),
)


def write(files: Sequence[BoxedFile]) -> str:
    """XML text."""
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    frames = [(file, index, frame) for file in files for index, frame in enumerate(file.frames)]
    _meta(ET.SubElement(root, "meta"), len(frames))
    for number, (file, index, frame) in enumerate(frames):
        width, height = file.size_wh or (0, 0)
        name = frame_name(file.name, index, len(file.frames), file.video)
        image = ET.SubElement(root, "image", id=str(number), name=name, width=str(width), height=str(height))
        for box in frame.boxes:
            _box(image, box)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _meta(meta: ET.Element, n_frames: int) -> None:
    task = ET.SubElement(meta, "task")
    fields = {"id": "1", "name": "deid", "size": str(n_frames), "mode": "annotation", "overlap": "0", "bugtracker": "", "created": ""}
    fields |= {"updated": "", "subset": "", "start_frame": "0", "stop_frame": str(max(0, n_frames - 1)), "frame_filter": ""}
    for name, text in fields.items():
        ET.SubElement(task, name).text = text
    labels = ET.SubElement(task, "labels")
    for name in LABELS:
        label = ET.SubElement(labels, "label")
        for tag, text in (("name", name), ("color", _COLOURS[name]), ("type", "any")):
            ET.SubElement(label, tag).text = text
        attributes = ET.SubElement(label, "attributes")
        for attribute in _ATTRIBUTES:
            _attribute(attributes, *attribute)
    ET.SubElement(meta, "dumped").text = ""


def _attribute(parent: ET.Element, name: str, kind: str, default: str, values: str) -> None:
    attribute = ET.SubElement(parent, "attribute")
    for tag, text in (("name", name), ("mutable", "False"), ("input_type", kind), ("default_value", default), ("values", values)):
        ET.SubElement(attribute, tag).text = text


def _box(image: ET.Element, box: Box) -> None:
    corners: dict[str, str] = dict(zip(("xtl", "ytl", "xbr", "ybr"), (repr(float(v)) for v in box.detection.box_xyxy), strict=True))
    element = ET.SubElement(image, "box", {"label": box.label, "source": "auto", "occluded": "0", **corners, "z_order": "0"})
    points = box.detection.landmarks
    fields = {
        "score": repr(box.detection.score),
        "keep": "true" if box.keep else "false",
        "track": "" if box.track is None else str(box.track),
        "state": box.state,
        "detector": box.detection.detector,
        "landmarks": "" if points is None else ";".join(f"{float(x)!r},{float(y)!r}" for x, y in points),
    }
    for name, text in fields.items():
        ET.SubElement(element, "attribute", name=name).text = text


def read(text: str) -> list[BoxedFile]:
    """Files of what CVAT exports.

    Args:
        text: XML.

    Raises:
        DataError: it is no such file, or something in it makes no sense.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError("expected XML without entities of its own")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise DataError(f"expected XML: {error}") from error
    images = root.findall("image")
    if root.tag != "annotations" or not images:
        hint = ": export it as 'CVAT for images 1.1'" if root.find("track") is not None else ""
        raise DataError(f"expected annotations of images, got none{hint}")
    return of_frames([_image(image) for image in images])


def _image(image: ET.Element) -> tuple[str, tuple[int, int], BoxedFrame]:
    name = image.get("name", "")
    try:
        size = int(image.get("width", "")), int(image.get("height", ""))
        return name, size, BoxedFrame(tuple(_boxes(image)))
    except (ValueError, KeyError) as error:
        raise DataError(f"{name or 'an image without a name'}: {error}") from error


def _boxes(image: ET.Element) -> Iterator[Box]:
    for shape in image:
        if shape.tag == "tag":
            continue
        if (label := shape.get("label")) not in LABELS:
            raise ValueError(f"expected the label {' or '.join(LABELS)}, got {label!r}")
        fields = {a.get("name"): a.text or "" for a in shape.findall("attribute")}
        corners = _outline(shape)
        box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        score, points = float(fields.get("score") or 1.0), _landmarks(fields.get("landmarks", ""))
        detection = Detection(box, score, points, fields.get("detector") or "user", label)
        track = fields.get("track", "")
        yield Box(detection, int(track) if track else None, fields.get("state") or "seen", fields.get("keep", "").lower() == "true")


def _outline(shape: ET.Element) -> NDArray[np.float64]:
    """Points (N, 2) around a shape: whatever it is drawn as, the box around it is covered."""
    if shape.tag == "box":
        x0, y0, x1, y1 = (float(shape.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        points = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        angle = np.radians(float(shape.get("rotation", 0)))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = points.mean(axis=0)
        return np.asarray((points - centre) @ turn.T + centre) if angle else points
    if shape.tag == "ellipse":
        cx, cy, rx, ry = (float(shape.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
        # However it is turned, it lies within its longer radius.
        rx, ry = (max(rx, ry),) * 2 if float(shape.get("rotation", 0)) else (rx, ry)
        return np.array([[cx - rx, cy - ry], [cx + rx, cy + ry]])
    if shape.tag == "mask":
        left, top, width, height = (float(shape.attrib[name]) for name in ("left", "top", "width", "height"))
        return np.array([[left, top], [left + width, top + height]])
    if shape.tag in {"polygon", "polyline"}:
        return np.array([[float(v) for v in point.split(",")] for point in shape.attrib["points"].split(";")])
    raise ValueError(f"expected a box, polygon, ellipse or mask, got {shape.tag}")


def _landmarks(text: str) -> NDArray[np.float64] | None:
    return np.array([[float(v) for v in point.split(",")] for point in text.split(";")]) if text.strip() else None
