"""Detection in overlapping tiles: large photos keep their small faces, and memory stays bounded."""

from collections.abc import Iterator

import cv2
import numpy as np

from deid.core.protocols import Detector
from deid.core.types import Detection, Image, check_image
from deid.detection.checked import give_back_after
from deid.detection.merge import merge


class TiledDetector:
    """Any detector, on the whole photo (shrunk if need be) and on tiles at full size.

    Args:
        detector: detector for each tile.
        tile: side of a tile in pixels; a smaller photo is one tile.
        overlap: how far tiles overlap; a face up to this size lies whole in one of them, a larger one is found in the
            shrunk photo.
    """

    def __init__(self, detector: Detector, tile: int = 1600, overlap: int = 240) -> None:
        if not 0 < overlap < tile // 2:
            raise ValueError(f"expected an overlap between 0 and half a tile ({tile // 2}), got {overlap}")
        self._detector, self._tile, self._overlap = detector, tile, overlap
        self.name = detector.name

    def detect(self, image: Image) -> list[Detection]:
        h, w = check_image(image).shape[:2]
        if max(h, w) <= self._tile:
            return self._detector.detect(image)
        factor = self._tile / max(h, w)
        size = (max(1, round(w * factor)), max(1, round(h * factor)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        found = [d.moved(np.array([w / size[0], h / size[1]]), np.zeros(2)) for d in self._detector.detect(np.asarray(small, np.uint8))]
        for y, x in self._origins(h, w):
            part = np.ascontiguousarray(image[y : y + self._tile, x : x + self._tile])
            inside = [d.moved(np.ones(2), np.array([x, y], float)) for d in self._detector.detect(part)]
            found += [d for d in inside if not self._cut(d, (x, y), part.shape, (w, h))]
        give_back_after(image)
        return merge(found)

    def _origins(self, h: int, w: int) -> Iterator[tuple[int, int]]:
        step = self._tile - self._overlap
        for y in range(0, max(1, h - self._overlap), step):
            for x in range(0, max(1, w - self._overlap), step):
                yield max(0, min(y, h - self._tile)), max(0, min(x, w - self._tile))

    def _cut(self, d: Detection, origin: tuple[int, int], shape: tuple[int, ...], size_wh: tuple[int, int]) -> bool:
        """Whether a tile's inner edge cuts the face, which then lies whole in the next tile or in the shrunk photo."""
        if d.size >= self._overlap:
            return False
        low, high = np.array(origin), np.array(origin) + shape[1::-1]
        before = (d.box_xyxy[:2] < low + 1) & (low > 0)
        after = (d.box_xyxy[2:] > high - 1) & (high < size_wh)
        return bool(before.any() or after.any())
