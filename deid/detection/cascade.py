"""MTCNN's cascade over an image pyramid: facenet-pytorch's rules, without its loop.

That one shrinks every candidate by itself, which took a fifth to a quarter of a look. Here all of them are averaged at once from a
summed-area table (F. Crow, "Summed-Area Tables for Texture Mapping", SIGGRAPH 1984), to the same pixels.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Image
from deid.models.inference import Network

Floats = NDArray[np.float32]
Owners = NDArray[np.int64]

#: Sides of what the networks see.
_PNET, _RNET, _ONET = 12, 24, 48
#: P-Net answers for every second pixel.
_STRIDE = 2
#: Scale of each level of the pyramid, relative to the one before.
_FACTOR = 0.709
#: Overlap from which of two candidates the better one stays, within a level and within an image.
_NMS_LEVEL, _NMS = 0.5, 0.7
#: Number of candidates that are averaged at once, so that they fit into the processor's cache.
_CHUNK = 128


@dataclass(frozen=True, slots=True, eq=False)
class Finds:
    """What a cascade found in one image, the largest face first.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,) of O-Net.
        points: (N, 5, 2) landmarks.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    points: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """MTCNN's networks, which take pixels (N, H, W, 3) and give the probability of a face and the shifts of its box; O-Net gives five
    points as well."""

    pnet: Network
    rnet: Network
    onet: Network


class Cascade:
    """The three networks, one after another.

    Args:
        networks: MTCNN's.
        min_face: smallest face in pixels.
        thresholds: of P-Net, R-Net and O-Net, each in [0, 1].
    """

    def __init__(self, networks: Networks, min_face: int, thresholds: tuple[float, float, float]) -> None:
        self._networks, self._min_face, self._thresholds = networks, min_face, thresholds

    def find(self, images: Sequence[Image]) -> list[Finds]:
        """Faces of images (H, W, 3) of one size."""
        if not images:
            return []
        tables = [_Sums(image) for image in images]
        boxes, owners = self._propose(tables)
        boxes, owners = self._refine(tables, boxes, owners)
        boxes, owners, points = self._judge(tables, boxes, owners)
        found = []
        for i in range(len(images)):
            box, point = boxes[owners == i].astype(float), points[owners == i].astype(float)
            order = np.argsort((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]))[::-1]
            found.append(Finds(box[order, :4], box[order, 4], point[order]))
        return found

    def _propose(self, tables: Sequence["_Sums"]) -> tuple[Floats, Owners]:
        """P-Net's candidates (N, 5) with their scores, and whose they are (N,)."""
        boxes, owners = [np.zeros((0, 9), np.float32)], [np.zeros(0, np.int64)]
        h, w = tables[0].size_hw
        for scale in self._scales(min(h, w)):
            level = np.stack([table.level((int(h * scale + 1), int(w * scale + 1))) for table in tables])
            scores, shifts = self._networks.pnet(level)
            box, owner = _windows(scores, shifts, scale, self._thresholds[0])
            best = _best(box, owner, _NMS_LEVEL)
            boxes.append(box[best])
            owners.append(owner[best])
        box, owner = np.concatenate(boxes), np.concatenate(owners)
        best = _best(box, owner, _NMS)
        box, owner = box[best], owner[best]
        size = np.tile(box[:, 2:4] - box[:, :2], 2)
        return _squared(np.column_stack([box[:, :4] + box[:, 5:9] * size, box[:, 4]])), owner

    def _refine(self, tables: Sequence["_Sums"], boxes: Floats, owners: Owners) -> tuple[Floats, Owners]:
        """R-Net's choice of candidates, each moved."""
        boxes, owners, (scores, shifts) = self._look(tables, boxes, owners, self._networks.rnet, _RNET, ((), (4,)))
        passed = scores > self._thresholds[1]
        boxes, owners, shifts = np.column_stack([boxes[passed, :4], scores[passed]]), owners[passed], shifts[passed]
        best = _best(boxes, owners, _NMS)
        return _squared(_shifted(boxes[best], shifts[best])), owners[best]

    def _judge(self, tables: Sequence["_Sums"], boxes: Floats, owners: Owners) -> tuple[Floats, Owners, Floats]:
        """O-Net's choice, each moved, with landmarks (N, 5, 2)."""
        boxes, owners, (scores, shifts, points) = self._look(tables, boxes, owners, self._networks.onet, _ONET, ((), (4,), (10,)))
        passed = scores > self._thresholds[2]
        boxes, owners = np.column_stack([boxes[passed, :4], scores[passed]]), owners[passed]
        shifts, points = shifts[passed], points[passed]
        size = boxes[:, 2:4] - boxes[:, :2] + 1
        marks = np.stack([points[:, :5], points[:, 5:]], axis=2) * size[:, None] + boxes[:, None, :2] - 1
        boxes = _shifted(boxes, shifts)
        best = _largest(boxes, owners)
        return boxes[best], owners[best], marks[best]

    def _look(
        self, tables: Sequence["_Sums"], boxes: Floats, owners: Owners, network: Network, side: int, shapes: tuple[tuple[int, ...], ...]
    ) -> tuple[Floats, Owners, list[Floats]]:
        """What a network says of the candidates that lie in their image, and those."""
        h, w = tables[0].size_hw
        corner = boxes[:, :4].astype(np.int32)
        # The cascade counts pixels from 1.
        low, high = np.maximum(corner[:, :2], 1) - 1, np.minimum(corner[:, 2:], np.array([w, h], np.int32))
        inside = (high > low).all(axis=1)
        places, owner = np.concatenate([low, high], axis=1)[inside], owners[inside]
        said = [[np.zeros((0, *shape), np.float32)] for shape in shapes]
        for start in range(0, len(places), _CHUNK):
            few = slice(start, start + _CHUNK)
            crops = np.empty((len(places[few]), side, side, 3), np.float32)
            for i in np.unique(owner[few]):
                crops[owner[few] == i] = tables[i].crops(places[few][owner[few] == i], side)
            for column, out in zip(said, network(crops), strict=True):
                column.append(out)
        return boxes[inside], owner, [np.concatenate(column) for column in said]

    def _scales(self, shorter: int) -> Iterator[float]:
        scale = _PNET / self._min_face
        while shorter * scale >= _PNET:
            yield scale
            scale *= _FACTOR


def _windows(scores: Floats, shifts: Floats, scale: float, threshold: float) -> tuple[Floats, Owners]:
    """P-Net's windows (N, 9) of a level with their scores and shifts, and whose they are: maps (n, h, w) and (n, 4, h, w)."""
    owner, row, column = np.nonzero(scores >= threshold)
    at = _STRIDE * np.column_stack([column, row]).astype(np.float32)
    corners = [np.floor((at + 1) / np.float32(scale)), np.floor((at + _PNET) / np.float32(scale))]
    return np.column_stack([*corners, scores[owner, row, column], shifts[owner, :, row, column]]), owner


def _best(boxes: Floats, owners: Owners, iou: float) -> NDArray[np.int64]:
    """Of boxes (N, 5+) of one image that overlap by more, the one with the best score; the best first."""
    if not len(boxes):
        return np.zeros(0, np.int64)
    x0, y0, x1, y1 = boxes[:, :4].T.astype(float)
    # The comparison is one of single precision, in which seven tenths are less than they are: such overlaps stay.
    limit = np.float32(iou)
    limit = np.nextafter(limit, np.float32(1)) if float(limit) < iou else limit
    # The order of the networks' own rules: images lie apart.
    apart = owners * (float(boxes[:, :4].max()) + 1)
    places: Any = np.column_stack([x0 + apart, y0 + apart, x1 - x0, y1 - y0])
    scores: Any = boxes[:, 4]
    kept = cv2.dnn.NMSBoxes(places, scores, 0.0, float(limit))
    return np.asarray(kept, np.int64).reshape(-1)


def _largest(boxes: Floats, owners: Owners) -> NDArray[np.int64]:
    """Of boxes (N, 5) of one image that lie in one another for the most part, the one with the best score."""
    x0, y0, x1, y1 = boxes[:, :4].T
    area, left, kept = (x1 - x0 + 1) * (y1 - y0 + 1), np.argsort(boxes[:, 4]), []
    while left.size:
        i, left = left[-1], left[:-1]
        kept.append(i)
        wide = np.minimum(x1[i], x1[left]) - np.maximum(x0[i], x0[left]) + 1
        high = np.minimum(y1[i], y1[left]) - np.maximum(y0[i], y0[left]) + 1
        shared = np.maximum(0, wide) * np.maximum(0, high) / np.minimum(area[i], area[left])
        left = left[(shared <= _NMS) | (owners[left] != owners[i])]
    return np.array(kept, np.int64)


def _shifted(boxes: Floats, shares: Floats) -> Floats:
    """Boxes (N, 5) with each edge moved by a share of the side."""
    size = np.tile(boxes[:, 2:4] - boxes[:, :2] + 1, 2)
    return np.column_stack([boxes[:, :4] + shares * size, boxes[:, 4]])


def _squared(boxes: Floats) -> Floats:
    """Boxes (N, 5) as squares about the same middles."""
    size = boxes[:, 2:4] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    low = boxes[:, :2] + size * np.float32(0.5) - side * np.float32(0.5)
    return np.column_stack([low, low + side, boxes[:, 4]])


class _Sums:
    """A summed-area table of an image (H, W, 3): the mean of any rectangle of it from four numbers."""

    def __init__(self, image: Image) -> None:
        self.size_hw = image.shape[:2]
        # 32 bits hold the sum of 8 megapixels of one colour.
        depth = cv2.CV_32S if image[..., 0].size < 2**31 // 255 else cv2.CV_64F
        self._table = np.asarray(cv2.integral(image, sdepth=depth))

    def level(self, size_hw: tuple[int, int]) -> NDArray[np.float32]:
        """The whole image, shrunk to a number of pixels."""
        rows, columns, area = _whole_bins(self.size_hw, size_hw)
        # `take` is three times as fast as an index, and faster for rows than for columns.
        strips = self._table.take(rows[1], axis=0)
        strips -= self._table.take(rows[0], axis=0)
        turned = np.asarray(cv2.transpose(strips))
        sums = turned.take(columns[1], axis=0)
        sums -= turned.take(columns[0], axis=0)
        back = np.asarray(cv2.transpose(sums.astype(np.float32)))
        return _means(back, area)

    def crops(self, boxes: NDArray[np.int32], side: int) -> NDArray[np.float32]:
        """Parts of the image, boxes (N, 4) in whole pixels, shrunk or enlarged to (N, side, side, 3)."""
        rows, columns = _bins(boxes[:, 1], boxes[:, 3], side), _bins(boxes[:, 0], boxes[:, 2], side)
        width = self._table.shape[1]
        corners = (rows * width)[:, None, :, :, None] + columns[None, :, :, None, :]
        sums = self._table.reshape(-1, 3).take(corners, axis=0)
        area = (rows[1] - rows[0])[:, :, None] * (columns[1] - columns[0])[:, None, :]
        return _means((sums[1, 1] - sums[0, 1] - sums[1, 0] + sums[0, 0]).astype(np.float32), area)


@functools.lru_cache(64)
def _whole_bins(size_hw: tuple[int, int], shrunk_hw: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The rows (2, h) and columns (2, w) of an image that become one when it is shrunk, and how many pixels those are, (h, w): the same for
    every image of a size."""
    rows, columns = (_bins(np.array([0]), np.array([whole]), n)[:, 0] for whole, n in zip(size_hw, shrunk_hw, strict=True))
    return rows, columns, (rows[1] - rows[0])[:, None] * (columns[1] - columns[0])


def _means(sums: NDArray[np.float32], area: NDArray[np.int64]) -> NDArray[np.float32]:
    """Sums (..., 3) by the number of pixels (...) that they are of, in place."""
    sums *= (1 / area).astype(np.float32)[..., None]
    return sums


def _bins(low: NDArray[np.int32], high: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Where each of n bins of N spans starts and stops, (2, N, n); bins of a span shorter than n overlap."""
    i, span = np.arange(n, dtype=np.int64), (high - low)[:, None]
    return np.stack([low[:, None] + i * span // n, low[:, None] - (-(i + 1) * span // n)])
