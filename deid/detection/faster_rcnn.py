"""Faster R-CNN trained by this project: for faces that the cascade misses, such as cut, blurred and small ones."""

import threading

import cv2
import numpy as np
import torch

from deid.core.errors import DetectionError
from deid.core.types import Detection, Image, check_image
from deid.imaging import geometry
from deid.models.face_rcnn import FaceRcnn
from deid.weights import modules

#: Size in pixels that the smallest face wanted has for the network, and how far a photo is enlarged for that at most. Tried on LFW:
#: enlarged by 4/3, the network finds no more bystanders, and half as many false alarms again.
_SMALLEST, _MOST_SCALE = 15.0, 2.0
#: Most pixels along a photo's longer side, to which it is shrunk, and least, to which its border is repeated.
_MOST_SIDE, _LEAST_SIDE = 1600, 64


class FasterRcnnDetector:
    """Boxes without landmarks.

    Args:
        min_face: smallest face in pixels; below 15 the photo is enlarged, above it shrunk.
        threshold: least score.
        network: what looks; the shipped one when None.
        device: where it runs.
    """

    name = "faster_rcnn"

    def __init__(self, min_face: int = 15, threshold: float = 0.5, network: FaceRcnn | None = None, device: str = "cpu") -> None:
        network = network or modules.load_detector()
        self._network = network.to(device).to(memory_format=torch.channels_last).eval()
        self._scale = min(_SMALLEST / min_face, _MOST_SCALE)
        self._threshold, self._device = threshold, device
        # The network keeps its anchors between calls.
        self._lock = threading.Lock()

    @torch.inference_mode()
    def detect(self, image: Image) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 RGB image.

        Raises:
            DetectionError: the network failed.
        """
        h, w = check_image(image).shape[:2]
        scale = min(self._scale, _MOST_SIDE / max(h, w))
        size = max(1, round(w * scale)), max(1, round(h * scale))
        seen = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))
        below, right = (max(0, _LEAST_SIDE - side) for side in seen.shape[:2])
        if below or right:
            seen = np.pad(seen, ((0, below), (0, right), (0, 0)), mode="edge")
        tensor = torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 0, 1))).to(self._device).float().div_(255)
        try:
            with self._lock:
                found = self._network([tensor])[0]
        except RuntimeError as error:
            raise DetectionError(f"faster_rcnn failed on an image of {h} x {w} pixels: {error}") from error
        boxes = found["boxes"].double().cpu().numpy() * np.tile([w / size[0], h / size[1]], 2)
        scores = found["scores"].double().cpu().numpy().clip(0, 1)
        return [
            Detection(box, float(score), None, self.name)
            for box, score in zip(boxes, scores, strict=True)
            if score >= self._threshold and geometry.box_area(geometry.clip_box(box, (h, w)))[0] > 0
        ]
