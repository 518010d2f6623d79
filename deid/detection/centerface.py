"""CenterFace: one network over the whole photo that gives a point, a box and five landmarks for every face.

Y. Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", Scientific Programming 2020
(1911.03599).
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DetectionError
from deid.core.types import Detection, Image, check_image
from deid.imaging import geometry
from deid.models.inference import Network
from deid.weights.networks import open_network

#: Size in pixels that the smallest face wanted has for the network, and how far a photo is enlarged for that at most.
_SMALLEST, _MOST_SCALE = 15.0, 2.0
#: Most pixels along a photo's longer side, to which it is shrunk.
_MOST_SIDE = 2048
#: Mirrored border around the photo, as a share of its longer side, and in pixels at least and at most: a face that the edge
#: cuts is whole with its reflection. A box with less of it inside the photo is a reflection.
_PAD_SHARE, _PAD_LEAST, _PAD_MOST, _LEAST_INSIDE = 0.1, 16, 64, 0.3
#: The network halves its maps five times, and answers for every fourth pixel.
_MULTIPLE, _STRIDE = 32, 4
_NMS_IOU = 0.3
#: Least score of a detection, and of a place that is worth a closer look: small faces that lie beside upright people have 0.2 to 0.4 there,
#: as have 7 other places in a group photo.
USUAL, FAINT = 0.44, 0.25
#: From this score on, all points count.
_EVERY = 0.42


class CenterfaceDetector:
    """Faces with five landmarks. The score is the root of the network's: of 646 detections of 0.9 and more in 600 LFW photos, other
    detectors confirm all.

    Args:
        min_face: smallest face in pixels; below 15 the photo is enlarged, above it shrunk.
        threshold: least score.
        network: what looks at pixels (1, H, W, 3); the shipped one when None.
        device: where it runs.
    """

    name = "centerface"

    def __init__(self, min_face: int = 15, threshold: float = USUAL, network: Network | None = None, device: str = "cpu") -> None:
        self._network = network or open_network("centerface", device)
        self._scale = min(_SMALLEST / min_face, _MOST_SCALE)
        self._threshold = threshold

    def detect(self, image: Image) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 RGB image.

        Raises:
            DetectionError: the network failed.
        """
        h, w = check_image(image).shape[:2]
        canvas, scale, pad = self._canvas(image)
        try:
            scores, boxes, points = decode(self._network(canvas[None]), self._threshold**2)
        except RuntimeError as error:
            raise DetectionError(f"centerface failed on an image of {h} x {w} pixels: {error}") from error
        boxes, points = (boxes - pad) / np.tile(scale, 2), (points - pad) / scale
        is_inside = geometry.box_area(geometry.clip_box(boxes, (h, w))) >= _LEAST_INSIDE * geometry.box_area(boxes)
        keep = [i for i in geometry.nms(boxes, scores, _NMS_IOU) if is_inside[i]]
        return [Detection(boxes[i], float(np.sqrt(scores[i])), points[i], self.name) for i in keep]

    def _canvas(self, image: Image) -> tuple[Image, NDArray[np.float64], int]:
        """The scaled photo with its border, the scales of x and y, and the border's width to the left and above."""
        h, w = image.shape[:2]
        scale = min(self._scale, _MOST_SIDE / max(h, w))
        size = max(1, round(w * scale)), max(1, round(h * scale))
        seen = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        pad = max(_PAD_LEAST, min(_PAD_MOST, round(_PAD_SHARE * max(size))))
        right, below = (pad + -(side + 2 * pad) % _MULTIPLE for side in size)
        canvas = np.pad(seen, ((pad, below), (pad, right), (0, 0)), mode="symmetric")
        return np.asarray(canvas, np.uint8), np.array(size) / [w, h], pad


def decode(maps: Sequence[NDArray[np.float32]], threshold: float) -> tuple[NDArray[np.float64], ...]:
    """Faces of one image's maps, see `deid.models.centerface`.

    Args:
        maps: (1, C, h, w) each.
        threshold: least score.

    Returns:
        Scores (N,), boxes (N, 4) and points (N, 5, 2), x first, in pixels of the network's input.
    """
    heat, size, offset, points = (np.asarray(m[0], float) for m in maps)
    # Of what is faint, the peaks alone: a photo has hundreds of such points, and each takes as long as a face.
    peak = heat[0] == cv2.dilate(heat[0], np.ones((3, 3), np.uint8))
    ys, xs = np.nonzero((heat[0] >= threshold) & (peak | (heat[0] >= _EVERY**2)))
    span = np.exp(size[::-1, ys, xs].T) * _STRIDE
    middle = (np.column_stack([xs, ys]) + offset[::-1, ys, xs].T + 0.5) * _STRIDE
    corner = middle - span / 2
    places = points[:, ys, xs].T.reshape(-1, 5, 2)[..., ::-1]
    return heat[0, ys, xs], np.concatenate([corner, corner + span], axis=1), corner[:, None] + places * span[:, None]
