"""MTCNN's cascade over an image pyramid: facenet-pytorch's networks and rules, without its loop.

That one shrinks every candidate by itself, which took a fifth to a quarter of a look. Here all of them are averaged at once from a
summed-area table (F. Crow, "Summed-Area Tables for Texture Mapping", SIGGRAPH 1984), to the same pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import batched_nms_numpy, bbreg, generateBoundingBox, rerec
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops.boxes import batched_nms

from deid.core.types import Image

#: Sides of what the networks see.
_PNET, _RNET, _ONET = 12, 24, 48
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


class Cascade:
    """The three networks, one after another.

    Args:
        networks: facenet-pytorch's.
        min_face: smallest face in pixels.
        thresholds: of P-Net, R-Net and O-Net, each in [0, 1].
        device: where the networks run.
    """

    def __init__(self, networks: MTCNN, min_face: int, thresholds: tuple[float, float, float], device: str) -> None:
        self._pnet, self._rnet, self._onet = networks.pnet, networks.rnet, networks.onet
        self._min_face, self._thresholds, self._device = min_face, thresholds, device

    @torch.inference_mode()
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
            own = owners == i
            box, point = boxes[own].double().numpy(), points[own].double().numpy()
            order = np.argsort((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]))[::-1]
            found.append(Finds(box[order, :4], box[order, 4], point[order]))
        return found

    def _propose(self, tables: Sequence["_Sums"]) -> tuple[Tensor, Tensor]:
        """P-Net's candidates (N, 5) with their scores, and whose they are (N,)."""
        boxes, owners = [torch.zeros(0, 9)], [torch.zeros(0, dtype=torch.int64)]
        h, w = tables[0].size_hw
        for scale in self._scales(min(h, w)):
            level = np.stack([table.level((int(h * scale + 1), int(w * scale + 1))) for table in tables])
            shifts, scores = (out.cpu() for out in self._pnet(self._seen(level)))
            box, owner = generateBoundingBox(shifts, scores[:, 1], scale, self._thresholds[0])
            best = batched_nms(box[:, :4], box[:, 4], owner, _NMS_LEVEL)
            boxes.append(box[best])
            owners.append(owner[best])
        box, owner = torch.cat(boxes), torch.cat(owners)
        best = batched_nms(box[:, :4], box[:, 4], owner, _NMS)
        box, owner = box[best], owner[best]
        size = (box[:, 2:4] - box[:, :2]).repeat(1, 2)
        return rerec(torch.cat([box[:, :4] + box[:, 5:9] * size, box[:, 4:5]], dim=1)), owner

    def _refine(self, tables: Sequence["_Sums"], boxes: Tensor, owners: Tensor) -> tuple[Tensor, Tensor]:
        """R-Net's choice of candidates, each moved."""
        boxes, owners, (shifts, scores) = self._look(tables, boxes, owners, self._rnet, _RNET, (4, 2))
        passed = scores[:, 1] > self._thresholds[1]
        boxes, owners, shifts = torch.cat([boxes[passed, :4], scores[passed, 1:]], dim=1), owners[passed], shifts[passed]
        best = batched_nms(boxes[:, :4], boxes[:, 4], owners, _NMS)
        return rerec(bbreg(boxes[best], shifts[best])), owners[best]

    def _judge(self, tables: Sequence["_Sums"], boxes: Tensor, owners: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """O-Net's choice, each moved, with landmarks (N, 5, 2)."""
        boxes, owners, (shifts, points, scores) = self._look(tables, boxes, owners, self._onet, _ONET, (4, 10, 2))
        passed = scores[:, 1] > self._thresholds[2]
        boxes, owners = torch.cat([boxes[passed, :4], scores[passed, 1:]], dim=1), owners[passed]
        shifts, points = shifts[passed], points[passed]
        size = boxes[:, 2:4] - boxes[:, :2] + 1
        marks = torch.stack([points[:, :5], points[:, 5:]], dim=2) * size[:, None] + boxes[:, None, :2] - 1
        boxes = bbreg(boxes, shifts)
        best = batched_nms_numpy(boxes[:, :4], boxes[:, 4], owners, _NMS, "Min")
        return boxes[best], owners[best], marks[best]

    def _look(
        self, tables: Sequence["_Sums"], boxes: Tensor, owners: Tensor, network: nn.Module, side: int, widths: tuple[int, ...]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """What a network says of the candidates that lie in their image, and those."""
        h, w = tables[0].size_hw
        corner = boxes[:, :4].trunc().int()
        # The cascade counts pixels from 1.
        low, high = corner[:, :2].clamp(min=1) - 1, torch.minimum(corner[:, 2:], torch.tensor([w, h]))
        inside = (high > low).all(dim=1)
        places, owner = torch.cat([low, high], dim=1)[inside].numpy(), owners[inside].numpy()
        said = [[torch.zeros(0, width)] for width in widths]
        for start in range(0, len(places), _CHUNK):
            few = slice(start, start + _CHUNK)
            crops = np.empty((len(places[few]), side, side, 3), np.float32)
            for i in np.unique(owner[few]):
                crops[owner[few] == i] = tables[i].crops(places[few][owner[few] == i], side)
            for column, out in zip(said, network(self._seen(crops)), strict=True):
                column.append(out.cpu())
        return boxes[inside], owners[inside], [torch.cat(column) for column in said]

    def _scales(self, shorter: int) -> Iterator[float]:
        scale = _PNET / self._min_face
        while shorter * scale >= _PNET:
            yield scale
            scale *= _FACTOR

    def _seen(self, pixels: NDArray[np.float32]) -> Tensor:
        """Pixels (N, H, W, 3) as a network takes them."""
        return (torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2) - 127.5) * 0.0078125


class _Sums:
    """A summed-area table of an image (H, W, 3): the mean of any rectangle of it from four numbers."""

    def __init__(self, image: Image) -> None:
        self.size_hw = image.shape[:2]
        # 32 bits hold the sum of 8 megapixels of one colour.
        depth = cv2.CV_32S if image[..., 0].size < 2**31 // 255 else cv2.CV_64F
        self._table = np.asarray(cv2.integral(image, sdepth=depth))

    def level(self, size_hw: tuple[int, int]) -> NDArray[np.float32]:
        """The whole image, shrunk to a number of pixels."""
        rows, columns = (_bins(np.array([0]), np.array([whole]), n)[:, 0] for whole, n in zip(self.size_hw, size_hw, strict=True))
        strips = self._table[rows[1]] - self._table[rows[0]]
        area = (rows[1] - rows[0])[:, None] * (columns[1] - columns[0])
        return np.asarray((strips[:, columns[1]] - strips[:, columns[0]]) / area[..., None], np.float32)

    def crops(self, boxes: NDArray[np.int32], side: int) -> NDArray[np.float32]:
        """Parts of the image, boxes (N, 4) in whole pixels, shrunk or enlarged to (N, side, side, 3)."""
        rows, columns = _bins(boxes[:, 1], boxes[:, 3], side), _bins(boxes[:, 0], boxes[:, 2], side)
        width = self._table.shape[1]
        corners = (rows * width)[:, None, :, :, None] + columns[None, :, :, None, :]
        sums = self._table.reshape(-1, 3).take(corners, axis=0)
        area = (rows[1] - rows[0])[:, :, None] * (columns[1] - columns[0])[:, None, :]
        return np.asarray((sums[1, 1] - sums[0, 1] - sums[1, 0] + sums[0, 0]) / area[..., None], np.float32)


def _bins(low: NDArray[np.int32], high: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Where each of n bins of N spans starts and stops, (2, N, n); bins of a span shorter than n overlap."""
    i, span = np.arange(n, dtype=np.int64), (high - low)[:, None]
    return np.stack([low[:, None] + i * span // n, low[:, None] - (-(i + 1) * span // n)])
