"""YOLO face models of the user, as ONNX: `yolo:model.onnx`.

What the numbers mean is decided from the shapes of the outputs, for a 640-pixel input and one class:

======================================  ==========================  ==================================================
head                                    output                      columns
======================================  ==========================  ==================================================
v5 and v7 exports, ultralytics' v3      (1, 25200, 6)               centre, size, objectness, class
v5-face                                 (1, 25200, 15 or 16)        centre, size, objectness, 5 landmarks (, class)
v8 and later                            (1, 5, 8400)                centre, size, class
v8-pose with 5 landmarks                (1, 15 or 20, 8400)         centre, size, class, 5 x (x, y (, visibility))
Darknet's v3 and v3-tiny                (1, 18, 80, 80), ... maps   per anchor: centre, size, objectness, class as logits
======================================  ==========================  ==================================================

J. Redmon, A. Farhadi, "YOLOv3: An Incremental Improvement", 2018 (1804.02767), section 2.1;
D. Qi et al., "YOLO5Face: Why Reinventing a Face Detector", ECCV workshops 2022 (2105.12931).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.errors import ConfigError, DetectionError
from deid.core.types import Detection, Image, check_image
from deid.detection.onnx_session import open_session
from deid.imaging import geometry

_Array: TypeAlias = NDArray[np.float64]

_NMS_IOU = 0.45
_NAME = re.compile(r"(\d+)\s*:\s*['\"]([^'\"]*)['\"]")
#: Candidates that go into the suppression, best first.
_MOST_CANDIDATES = 1000
_GREY = 114
#: The side that an input of free size is given, and what its sides are multiples of.
_FREE_SIDE, _STEP = 640, 32
#: Strides of the heads that exist: of most, of those with a fourth scale for large or for small objects, and of v3-tiny.
_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
#: Darknet's anchors (width, height) by how many maps there are, by stride.
_ANCHORS = {
    3: {8: ((10, 13), (16, 30), (33, 23)), 16: ((30, 61), (62, 45), (59, 119)), 32: ((116, 90), (156, 198), (373, 326))},
    2: {16: ((10, 14), (23, 27), (37, 58)), 32: ((81, 82), (135, 169), (344, 319))},
}


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Candidates in pixels of the network's input: centres and sizes (N, 4), scores (N,), landmarks (N, 5, 2) or None."""

    centre_size: _Array
    scores: _Array
    landmarks: _Array | None = None


@dataclass(frozen=True, slots=True)
class _Classes:
    """Which of a model's classes are taken: ``chosen`` of ``n``."""

    n: int = 1
    chosen: tuple[int, ...] = (0,)

    @classmethod
    def of(cls, names: str, wanted: Sequence[str], file: str) -> "_Classes":
        """From the names in a file, such as ``{0: 'car', 1: 'plate'}``; one class where it has none, or nobody asks."""
        found = dict(_NAME.findall(names)) if wanted else {}
        if len(found) < 2:
            return cls()
        chosen = tuple(int(i) for i, name in found.items() if any(part in name.lower() for part in wanted))
        if not chosen:
            raise ConfigError(f"expected a class of {file} to be called {' or '.join(wanted)}, they are {', '.join(found.values())}")
        return cls(len(found), chosen)

    def best(self, scores: _Array) -> _Array:
        """The best score (N,) of the chosen classes, of scores (N, n)."""
        return np.asarray(scores[:, list(self.chosen)].max(axis=1))


class YoloDetector:
    """Boxes, with landmarks when the model has them.

    Args:
        path: ONNX file with one input (1, 3, H, W), RGB in [0, 1], of fixed or free size.
        threshold: least score.
        wanted: of a model with several classes, parts of the names of those that are taken, in lower case. The names are read from the
            file, where ultralytics' exports have them.

    Raises:
        DependencyError: onnxruntime is not installed.
        ConfigError: the file is no such model, or none of its classes is wanted.
    """

    name = "yolo"

    def __init__(self, path: Path, threshold: float = 0.25, wanted: Sequence[str] = ()) -> None:
        self._session, self._threshold, self._file = open_session(path), threshold, path.name
        inputs = self._session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3 or inputs[0].type != "tensor(float)":
            got = ", ".join(f"{i.type} {i.shape}" for i in inputs)
            raise ConfigError(f"expected {path.name} to take one float image (1, 3, H, W), it takes {got}")
        self._input = inputs[0].name
        #: Height and width, None where they are free.
        self._fixed: tuple[int | None, int | None] = (_number(shape[2]), _number(shape[3]))
        self._classes = _Classes.of(self._session.get_modelmeta().custom_metadata_map.get("names", ""), wanted, path.name)

    @property
    def side(self) -> int:
        """Longer side in pixels of what the network sees."""
        return max(fixed or _FREE_SIDE for fixed in self._fixed)

    def detect(self, image: Image) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 RGB image.

        Raises:
            ConfigError: the model's outputs are those of no head in the table above.
            DetectionError: the model failed.
        """
        canvas, scale, shift = self._letterbox(check_image(image))
        blob = canvas.astype(np.float32).transpose(2, 0, 1)[None] / 255
        try:
            outputs = [np.asarray(o, np.float64) for o in self._session.run(None, {self._input: blob})]
        except Exception as error:  # onnxruntime has an exception of its own for every way to fail
            raise DetectionError(f"{self._file} failed on an image of {image.shape[0]} x {image.shape[1]} pixels: {error}") from error
        found = _decode(outputs, canvas.shape[:2], self._file, self._classes)
        keep = np.flatnonzero(found.scores >= self._threshold)
        keep = keep[np.argsort(-found.scores[keep], kind="stable")][:_MOST_CANDIDATES]
        half = found.centre_size[keep, 2:] / 2
        boxes = np.concatenate([found.centre_size[keep, :2] - half, found.centre_size[keep, :2] + half], axis=1)
        boxes = (boxes - np.tile(shift, 2)) / scale
        points = None if found.landmarks is None else (found.landmarks[keep] - shift) / scale
        inside = np.array([geometry.box_area(geometry.clip_box(b, image.shape[:2]))[0] for b in boxes])
        return [
            Detection(boxes[i], float(min(found.scores[keep[i]], 1.0)), None if points is None else points[i], self.name)
            for i in geometry.nms(boxes, found.scores[keep], _NMS_IOU)
            if inside[i] > 0
        ]

    def _letterbox(self, image: Image) -> tuple[NDArray[np.uint8], float, _Array]:
        """The image scaled into the middle of a grey canvas of the network's size, the scale, and where it lies (x, y)."""
        h, w = image.shape[:2]
        room = [fixed or _FREE_SIDE for fixed in self._fixed]
        scale = min(room[0] / h, room[1] / w)
        if None in self._fixed:
            scale = min(scale, 1.0)
        size = max(1, round(h * scale)), max(1, round(w * scale))
        sides = [fixed or -(-side // _STEP) * _STEP for fixed, side in zip(self._fixed, size, strict=True)]
        y, x = (sides[0] - size[0]) // 2, (sides[1] - size[1]) // 2
        canvas = np.full((sides[0], sides[1], 3), _GREY, np.uint8)
        small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        canvas[y : y + size[0], x : x + size[1]] = small
        return canvas, scale, np.array([x, y], np.float64)


def _number(side: object) -> int | None:
    return side if isinstance(side, int) and side > 0 else None


def _decode(outputs: Sequence[_Array], size_hw: tuple[int, ...], file: str, classes: _Classes) -> _Found:
    """Candidates of whichever head these outputs (batch axis first) come from."""
    shapes = [o.shape for o in outputs]
    # v5 exports may give the raw maps beside the decoded table.
    table = next((o[0] for o in outputs if o.ndim == 3), None)
    found = None
    if table is not None:
        n_cells = {sum(-(-size_hw[0] // s) * -(-size_hw[1] // s) for s in strides) for strides in _STRIDES}
        if table.shape[0] in {3 * n for n in n_cells}:
            found = _v5(table, classes)
        elif table.shape[1] in n_cells:
            found = _v8(table.T, classes)
    elif all(o.ndim == 4 and o.shape[1] == 18 for o in outputs) and len(outputs) in _ANCHORS:
        found = _v3([o[0] for o in outputs], size_hw)
    if found is None:
        wanted = "face model with one class" if classes.n == 1 else f"model with {classes.n} classes"
        raise ConfigError(f"expected the outputs of a YOLO v3, v5 or v8 {wanted} from {file}, got {shapes}")
    return found


def _v5(rows: _Array, classes: _Classes) -> _Found | None:
    """Rows of centre, size, objectness, landmarks if there are any, class."""
    columns = rows.shape[1]
    if classes.n > 1:
        return _Found(rows[:, :4], rows[:, 4] * classes.best(rows[:, 5:])) if columns == 5 + classes.n else None
    if columns not in (6, 15, 16):
        return None
    points = rows[:, 5:15].reshape(-1, 5, 2) if columns > 6 else None
    return _Found(rows[:, :4], rows[:, 4] * (rows[:, -1] if columns != 15 else 1.0), points)


def _v8(rows: _Array, classes: _Classes) -> _Found | None:
    """Rows of centre, size, class, landmarks with or without visibility if there are any."""
    columns = rows.shape[1]
    if classes.n > 1:
        return _Found(rows[:, :4], classes.best(rows[:, 4:])) if columns == 4 + classes.n else None
    if columns not in (5, 15, 20):
        return None
    points = rows[:, 5:].reshape(len(rows), 5, -1)[..., :2] if columns > 5 else None
    return _Found(rows[:, :4], rows[:, 4], points)


def _v3(maps: Sequence[_Array], size_hw: tuple[int, ...]) -> _Found | None:
    """Darknet's maps (3 x 6, h, w): per anchor x, y, w, h, objectness and class, before the sigmoid."""
    anchors, parts, scores = _ANCHORS[len(maps)], [], []
    for values in maps:
        h, w = values.shape[1:]
        stride = size_hw[0] // h
        if stride not in anchors or (h * stride, w * stride) != tuple(size_hw):
            return None
        x, y, width, height, objectness, of_class = np.moveaxis(values.reshape(3, 6, h, w), 1, 0)
        ys, xs = np.mgrid[:h, :w]
        anchor = np.array(anchors[stride], np.float64)[:, :, None, None]
        centre_size = [
            (_sigmoid(x) + xs) * stride,
            (_sigmoid(y) + ys) * stride,
            np.exp(np.minimum(width, 10)) * anchor[:, 0],
            np.exp(np.minimum(height, 10)) * anchor[:, 1],
        ]
        parts.append(np.stack(centre_size, axis=-1).reshape(-1, 4))
        scores.append((_sigmoid(objectness) * _sigmoid(of_class)).ravel())
    return _Found(np.concatenate(parts), np.concatenate(scores))


def _sigmoid(values: _Array) -> _Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))))
