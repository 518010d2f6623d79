"""Training pictures for detectors: photos cropped, turned, shrunk and joined, with faces of every size and cut faces."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.types import Image
from deid.imaging import geometry
from deid.training.boxes import LabelledPhoto

_Boxes = NDArray[np.float64]
_Cell = tuple[int, int, int, int]

#: A cell is split again with this chance, until it is so small.
_SPLIT, _SPLIT_SMALLER, _LEAST_CELL = 0.6, 0.55, 30
#: How far a photo is enlarged beyond what fills its cell, and beyond its own size, at most.
_ZOOM, _MOST_SCALE = 2.6, 2.2
#: A face with a smaller share left, or with fewer pixels, is painted over: it is no clear target.
_LEAST_SHARE, _LEAST_FACE = 0.3, 7.0


def mosaic(photos: Sequence[LabelledPhoto], size_hw: tuple[int, int], rng: np.random.Generator) -> tuple[Image, _Boxes]:
    """A picture (H, W, 3) uint8 of one or more photos, and its faces (N, 4)."""
    canvas = np.empty((*size_hw, 3), np.uint8)
    found = []
    for y, x, h, w in _cells((0, 0, *size_hw), rng, _SPLIT):
        part, boxes = _cut(photos[int(rng.integers(len(photos)))], (h, w), rng)
        canvas[y : y + h, x : x + w] = part
        found.append(np.asarray(boxes) + np.array([x, y, x, y]))
    return _as_taken(canvas, rng), np.concatenate(found)


def _cells(cell: _Cell, rng: np.random.Generator, chance: float) -> Iterator[_Cell]:
    """A cell (y, x, height, width) split at random along its longer side, and again."""
    y, x, h, w = cell
    if max(h, w) < 2 * _LEAST_CELL or rng.random() > chance:
        yield cell
        return
    share = rng.uniform(0.35, 0.65)
    if h > w:
        cut = round(h * share)
        parts = (y, x, cut, w), (y + cut, x, h - cut, w)
    else:
        cut = round(w * share)
        parts = (y, x, h, cut), (y, x + cut, h, w - cut)
    for part in parts:
        yield from _cells(part, rng, _SPLIT_SMALLER)


def _cut(photo: LabelledPhoto, size_hw: tuple[int, int], rng: np.random.Generator) -> tuple[Image, _Boxes]:
    """A random view of a photo that fills a cell, and its faces."""
    source = PillowImage.open(io.BytesIO(photo.data))
    full = np.array(source.size, float)
    cell = np.array(size_hw[::-1], float)
    least = (cell / full).max()
    scale = max(least, min(_MOST_SCALE, least * np.exp(rng.uniform(0, np.log(_ZOOM)))))
    # Some views have seen fewer pixels: far or shaken cameras.
    sharp = rng.uniform(0.3, 0.8) if rng.random() < 0.2 else 1.0
    source.draft("RGB", tuple(np.ceil(full * scale * sharp).astype(int)))
    small = np.maximum(np.round(full * min(1.0, scale * sharp)), 1).astype(int)
    pixels = np.asarray(source.convert("RGB").resize(tuple(small), PillowImage.Resampling.BOX))
    matrix = _view(full, cell, scale, rng)
    to_full = full / small
    part = cv2.warpAffine(
        pixels, matrix * np.array([*to_full, 1.0]), tuple(size_hw[::-1]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return _keep_faces(np.asarray(part, np.uint8), _moved(photo.boxes, matrix), photo.sure)


def _view(full: NDArray[np.float64], cell: NDArray[np.float64], scale: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(2, 3) from pixels of the photo to pixels of the cell: scaled, stretched a little, half of them mirrored, some turned."""
    angle = np.deg2rad(rng.uniform(-18, 18)) if rng.random() < 0.3 else 0.0
    stretch = np.exp(rng.uniform(-0.08, 0.08))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([mirror * stretch * scale, scale / stretch])
    spare = np.maximum(full * scale - cell, 0) / 2
    centre = cell / 2 + rng.uniform(-1, 1, 2) * spare
    return np.column_stack([linear, centre - linear @ full / 2])


def _moved(boxes: NDArray[np.float32], matrix: NDArray[np.float64]) -> _Boxes:
    """Upright boxes of the same faces after a transform: the centre moves, the sides scale."""
    centres = geometry.apply(matrix, (boxes[:, :2] + boxes[:, 2:]) / 2)
    sides = (boxes[:, 2:] - boxes[:, :2]) * np.linalg.norm(matrix[:, :2], axis=0)
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def _keep_faces(image: Image, boxes: _Boxes, sure: NDArray[np.bool_]) -> tuple[Image, _Boxes]:
    """The faces of a view that are there beyond doubt; the doubtful ones are painted over."""
    cut = np.array([geometry.clip_box(b, image.shape[:2]) for b in boxes]).reshape(-1, 4)
    area = geometry.box_area(cut)
    clear = sure & (area >= _LEAST_SHARE * geometry.box_area(boxes)) & (area >= _LEAST_FACE**2)
    fill = image.mean(axis=(0, 1)).astype(np.uint8)
    painted = image.copy()
    for box in cut[~clear & (area > 0)]:
        painted[geometry.box_to_slices(box, image.shape[:2])] = fill
    for box in cut[clear]:
        place = geometry.box_to_slices(box, image.shape[:2])
        painted[place] = image[place]
    return painted, cut[clear]


def _as_taken(image: Image, rng: np.random.Generator) -> Image:
    """The picture as other cameras, scanners and encoders give it: grey, dark, soft, noisy, squeezed."""
    values: NDArray[Any] = image.astype(np.float32)
    if rng.random() < 0.35:
        values = np.repeat(values @ np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=2)
    values = (values - 127.5) * rng.uniform(0.6, 1.4) + 127.5 + rng.uniform(-40, 40)
    if rng.random() < 0.2:
        values = cv2.GaussianBlur(values, (0, 0), rng.uniform(0.5, 1.8))
    if rng.random() < 0.3:
        grain = rng.standard_normal((*image.shape[:2], 1 if rng.random() < 0.5 else 3), np.float32)
        values = values + grain * np.float32(rng.uniform(2, 18))
    out = np.clip(values, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return out
