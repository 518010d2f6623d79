"""MTCNN: three small networks in a cascade over an image pyramid.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks", SPL 2016. The weights are those of facenet-pytorch's wheel.
"""

from collections.abc import Sequence

import numpy as np

from deid.core.errors import DetectionError
from deid.core.types import Detection, Image, check_image
from deid.detection.cascade import Cascade, Finds, Networks
from deid.imaging import geometry
from deid.weights.networks import open_network

#: Mirrored border added around the image, as a share of its longer side, and in pixels at least and at most. A face that the border
#: cuts in half is whole with its reflection, and is found (tried: of LFW's cut bystanders, black borders miss most).
_PAD_SHARE, _PAD_LEAST, _PAD_MOST = 0.2, 24, 64
#: A box with less of it inside the image is a reflection.
_LEAST_INSIDE = 0.3


def networks(device: str) -> Networks:
    """MTCNN's networks.

    Raises:
        ConfigError: there is no such device.
        WeightsError: a file is missing or altered.
    """
    return Networks(*(open_network(name, device) for name in ("pnet", "rnet", "onet")))


class MtcnnDetector:
    """Faces with five landmarks.

    Args:
        min_face: smallest face in pixels; the time grows with its inverse square.
        thresholds: of P-Net, R-Net and O-Net, each in [0, 1].
        mirrored: search the mirror image: the cascade is not symmetric, and detects faces there that it missed.
        device: where the networks run.
    """

    name = "mtcnn"

    def __init__(
        self,
        min_face: int = 20,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        mirrored: bool = False,
        device: str = "cpu",
    ) -> None:
        self._cascade = Cascade(networks(device), min_face, thresholds)
        self._min_face, self._mirrored = min_face, mirrored

    def detect(self, image: Image) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 RGB image.

        Raises:
            DetectionError: the cascade failed.
        """
        if not self._mirrored:
            return self.detect_batch([image])[0]
        mirror = np.ascontiguousarray(check_image(image)[:, ::-1])
        return [_unmirror(d, image.shape[1]) for d in self.detect_batch([mirror])[0]]

    def detect_batch(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Faces of several images of one size, in one pass.

        Raises:
            DetectionError: the cascade failed.
            ValueError: the images differ in size, or one is no image.
        """
        sizes = {check_image(image).shape for image in images}
        if len(sizes) > 1:
            raise ValueError(f"expected images of one size, got {sorted(sizes)}")
        h, w = images[0].shape[:2] if images else (0, 0)
        # The pyramid needs at least one level.
        pad = max(_PAD_LEAST, min(_PAD_MOST, round(_PAD_SHARE * max(h, w))), self._min_face + 1 - min(h, w))
        padded = [np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric") for image in images]
        try:
            found = self._cascade.find(padded)
        except (RuntimeError, IndexError, ValueError) as error:
            raise DetectionError(f"mtcnn failed on an image of {h} x {w} pixels: {error}") from error
        return [_detections(finds, pad, (h, w)) for finds in found]


def _detections(finds: Finds, pad: int, size_hw: tuple[int, int]) -> list[Detection]:
    box, score, point = finds.boxes - pad, np.clip(finds.scores, 0.0, 1.0), finds.points - pad
    area, inside = geometry.box_area(box), geometry.box_area(geometry.clip_box(box, size_hw))
    keep = np.isfinite(box).all(axis=1) & (area > 0) & (inside >= _LEAST_INSIDE * area)
    return [Detection(b, float(s), p, "mtcnn") for b, s, p in zip(box[keep], score[keep], point[keep], strict=True)]


def _unmirror(detection: Detection, width: int) -> Detection:
    """A detection in a mirrored image of ``width`` pixels, as it lies in the image itself."""
    x0, y0, x1, y1 = detection.box_xyxy
    points = detection.landmarks
    if points is not None:
        # Left and right change places, in position and in name; a pixel's centre is at an integer.
        points = np.column_stack([width - 1 - points[:, 0], points[:, 1]])[[1, 0, 2, 4, 3]]
    return Detection(np.array([width - x1, y0, width - x0, y1]), detection.score, points, detection.detector)
