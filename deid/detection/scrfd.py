"""SCRFD: one network that scores every place and scale for a face.

J. Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", ICLR 2022 (2105.04714).
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Detection, Image, check_image
from deid.detection.onnx_session import open_session
from deid.imaging import geometry

_STRIDES = (8, 16, 32)
_ANCHORS = 2
_NMS_IOU = 0.4


class ScrfdDetector:
    """Faces with five landmarks, from an ONNX file with nine outputs (scores, boxes, points at three strides).

    Args:
        path: the file.
        threshold: least score.
        max_side: larger images are scaled down to it.
        pad_share: black border around the image, so that a face that fills it lies within an anchor's reach.
    """

    name = "scrfd"

    def __init__(self, path: Path, threshold: float = 0.5, max_side: int = 1024, pad_share: float = 0.1) -> None:
        self.path, self._session = path, open_session(path)
        self._threshold, self._max_side, self._pad_share = threshold, max_side, pad_share

    def detect(self, image: Image) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 RGB image."""
        canvas, scale, shift = self._canvas(check_image(image))
        blob = ((canvas.astype(np.float32) - 127.5) / 128.0).transpose(2, 0, 1)[None]
        outputs = [np.asarray(o) for o in self._session.run(None, {self._session.get_inputs()[0].name: blob})]
        found = [_decode(outputs[i], outputs[i + 3], outputs[i + 6], canvas.shape[:2], s, self._threshold) for i, s in enumerate(_STRIDES)]
        scores, boxes, points = (np.concatenate([f[k] for f in found]) for k in range(3))
        keep = geometry.nms(boxes, scores, _NMS_IOU)
        boxes, points = (boxes - [*shift, *shift]) / scale, (points - shift) / scale
        return [Detection(boxes[i], float(min(scores[i], 1.0)), points[i], self.name) for i in keep if (boxes[i, 2:] > boxes[i, :2]).all()]

    def _canvas(self, image: Image) -> tuple[NDArray[np.uint8], float, NDArray[np.float64]]:
        """The scaled image on a black canvas whose sides are multiples of 32, the scale, and where it lies (x, y)."""
        h, w = image.shape[:2]
        scale = min(1.0, self._max_side / max(h, w))
        h, w = max(1, round(h * scale)), max(1, round(w * scale))
        pad = round(self._pad_share * max(h, w))
        size = [-(-(side + 2 * pad) // 32) * 32 for side in (h, w)]
        canvas = np.zeros((size[0], size[1], 3), np.uint8)
        canvas[pad : pad + h, pad : pad + w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA) if scale < 1 else image
        return canvas, scale, np.array([pad, pad], np.float64)


def _decode(
    scores: NDArray[np.float32],
    boxes: NDArray[np.float32],
    points: NDArray[np.float32],
    size_hw: tuple[int, ...],
    stride: int,
    threshold: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Scores (N,), boxes (N, 4) and points (N, 5, 2) in pixels of the canvas, of one stride's anchors over the threshold."""
    ys, xs = np.mgrid[: size_hw[0] // stride, : size_hw[1] // stride]
    centres = np.repeat(np.stack([xs, ys], axis=-1).reshape(-1, 2) * float(stride), _ANCHORS, axis=0)
    scores = scores.reshape(-1)
    keep = scores >= threshold
    centre, box = centres[keep], boxes.reshape(-1, 4)[keep] * stride
    corners = np.concatenate([centre - box[:, :2], centre + box[:, 2:]], axis=1)
    return scores[keep].astype(np.float64), corners, centre[:, None] + points.reshape(-1, 5, 2)[keep] * stride
