"""A face in a mosaic is where its box says, and no doubtful one is seen."""

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.types import Image
from deid.imaging import geometry
from deid.training import mosaics
from deid.training.boxes import LabelledPhoto

FACE = (90, 60, 150, 140)


def _photo(sure: bool = True, *box: int) -> LabelledPhoto:
    """200 x 250 px, dark, with one bright face."""
    x0, y0, x1, y1 = box or FACE
    image = np.full((200, 250, 3), 30, np.uint8)
    image[y0:y1, x0:x1] = 230
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "jpeg", quality=95)
    return LabelledPhoto("a.jpg", buffer.getvalue(), np.array([[x0, y0, x1, y1]], np.float32), np.array([sure]))


def _bright(image: Image) -> np.ndarray:
    ys, xs = np.nonzero(image[..., 0] > 130)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)


@pytest.mark.parametrize("size_hw", [(256, 256), (90, 60), (40, 120)])
def test_the_box_moves_with_the_face(size_hw: tuple[int, int]) -> None:
    overlaps = []
    for seed in range(60):
        image, boxes = mosaics._cut(_photo(), size_hw, np.random.default_rng(seed))
        assert image.shape == (*size_hw, 3)
        if len(boxes):
            overlaps.append(geometry.box_iou(boxes[0], _bright(image))[0, 0])
    assert len(overlaps) > 25
    # A turned face has a larger upright box than its own.
    assert np.median(overlaps) > 0.9
    assert np.min(overlaps) > 0.5


def test_doubtful_faces_are_painted_over() -> None:
    shown = left = 0.0
    for seed in range(30):
        image, boxes = mosaics._cut(_photo(sure=False), (128, 128), np.random.default_rng(seed))
        assert len(boxes) == 0
        left += (image[..., 0] > 210).mean()
        shown += (mosaics._cut(_photo(), (128, 128), np.random.default_rng(seed))[0][..., 0] > 210).mean()
    # The corners of turned squares stick out of upright boxes.
    assert left < 0.05 * shown


def test_slivers_are_painted_over_and_half_faces_stay() -> None:
    photo = _photo().image()
    sure = np.array([True, True])
    boxes = np.array([[-54.0, 60, 6, 140], [-30, 60, 30, 140]])
    for box, kept in zip(boxes, (False, True), strict=True):
        image = np.full_like(photo, 30)
        image[geometry.box_to_slices(box, image.shape[:2])] = 230
        seen, found = mosaics._keep_faces(image, box[None], sure[:1])
        assert len(found) == kept
        assert (seen[100, 2, 0] == 230) == kept


def test_a_mosaic_has_small_and_large_faces_inside_it() -> None:
    photos = [_photo(), _photo(True, 20, 30, 60, 80), _photo(False)]
    sizes = []
    for seed in range(40):
        image, boxes = mosaics.mosaic(photos, (240, 256), np.random.default_rng(seed))
        assert image.shape == (240, 256, 3)
        assert image.dtype == np.uint8
        assert boxes.shape == (len(boxes), 4)
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= [256, 240]).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        sizes += list(np.sqrt(geometry.box_area(boxes)))
    assert min(sizes) < 16
    assert max(sizes) > 120


def test_the_same_seed_gives_the_same_picture() -> None:
    first, second = (mosaics.mosaic([_photo()], (96, 96), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert (mosaics.mosaic([_photo()], (96, 96), np.random.default_rng(6))[0] != first[0]).any()
