"""Tiles together see every pixel, and a face on their edges is one face."""

from collections.abc import Sequence

import numpy as np
import pytest

from deid.core.types import Detection, Image
from deid.detection.tiling import TiledDetector
from deid.imaging import geometry


class _SquareFinder:
    """Finds white squares on black where they are whole, from 10 px on, and cut ones as far as they can be seen."""

    name = "squares"

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def detect(self, image: Image) -> list[Detection]:
        self.sizes.append(image.shape[:2])
        found = []
        for value in sorted(set(np.unique(image[..., 0])) - {0}):
            ys, xs = np.nonzero(image[..., 0] == value)
            box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)
            if min(box[2:] - box[:2]) >= 10:
                found.append(Detection(box, 0.9, None, self.name))
        return found


def _squares(size_hw: tuple[int, int], boxes: Sequence[tuple[int, int, int, int]]) -> Image:
    image = np.zeros((*size_hw, 3), np.uint8)
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        image[y0:y1, x0:x1] = 50 + i
    return image


def test_small_photo_is_looked_at_once() -> None:
    finder = _SquareFinder()
    found = TiledDetector(finder, 400, 60).detect(_squares((300, 400), [(10, 10, 40, 40)]))
    assert finder.sizes == [(300, 400)]
    assert len(found) == 1


PLACES = {
    "corner": (0, 0),
    "far corner": (1470, 970),
    "on a tile's right edge": (385, 100),
    "on a tile's lower edge": (100, 385),
    "on four tiles": (325, 325),
    "start of a tile": (340, 340),
    "middle": (700, 500),
}


@pytest.mark.parametrize(("x", "y"), PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("size", [12, 30, 55])
def test_small_face_is_found_once_wherever_it_lies(x: int, y: int, size: int) -> None:
    box = (x, y, min(x + size, 1500), min(y + size, 1000))
    found = TiledDetector(_SquareFinder(), 400, 60).detect(_squares((1000, 1500), [box]))
    assert len(found) == 1
    np.testing.assert_allclose(found[0].box_xyxy, box, atol=8)


def test_face_larger_than_a_tile_is_found_in_the_shrunk_photo() -> None:
    box = (200, 100, 1100, 900)
    found = TiledDetector(_SquareFinder(), 400, 60).detect(_squares((1000, 1500), [box]))
    ious = geometry.box_iou(np.array([d.box_xyxy for d in found]), np.array(box, float))
    assert ious.max() > 0.95


@pytest.mark.parametrize("size_hw", [(401, 401), (1000, 1500), (399, 5000), (3000, 30)])
def test_tiles_see_every_pixel_and_stay_small(size_hw: tuple[int, int]) -> None:
    tiler = TiledDetector(_SquareFinder(), 400, 60)
    seen = np.zeros(size_hw, bool)
    for y, x in tiler._origins(*size_hw):
        assert y >= 0
        assert x >= 0
        seen[y : y + 400, x : x + 400] = True
    assert seen.all()
    finder = _SquareFinder()
    TiledDetector(finder, 400, 60).detect(np.zeros((*size_hw, 3), np.uint8))
    assert all(max(size) <= 400 for size in finder.sizes)


@pytest.mark.parametrize("overlap", [0, 200, 500])
def test_overlap_without_sense_is_refused(overlap: int) -> None:
    with pytest.raises(ValueError, match="expected an overlap"):
        TiledDetector(_SquareFinder(), 400, overlap)
