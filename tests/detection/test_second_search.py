"""The second search of a photo: all of it in small, and closely around the edits."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.core.types import Detection, Image
from deid.detection.second_search import search_again

_EDIT = np.array([900.0, 500, 980, 600])


class _WhitePatches:
    """Finds white patches of 18 pixels or more, as MTCNN finds faces."""

    name = "patches"

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def detect(self, image: Image) -> list[Detection]:
        self.sizes.append(image.shape[:2])
        _, _, boxes, _ = cv2.connectedComponentsWithStats((image[..., 0] > 128).astype(np.uint8))
        found = [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, _ in boxes[1:].tolist() if min(w, h) >= 18]
        return [Detection(np.array(box), 0.9, None, self.name) for box in found]


def _photo(*patches: tuple[int, int, int], size_hw: tuple[int, int] = (720, 1280)) -> Image:
    image = np.zeros((*size_hw, 3), np.uint8)
    for x, y, side in patches:
        image[y : y + side, x : x + side] = 255
    return image


@pytest.mark.parametrize(
    ("patch", "found"),
    [((970, 560, 20), True), ((890, 484, 30), True), ((100, 100, 90), True), ((100, 100, 30), False)],
    ids=["small beside the edit", "small over its corner", "large and far away", "small and far away"],
)
def test_small_faces_are_searched_around_edits_and_large_ones_everywhere(patch: tuple[int, int, int], found: bool) -> None:
    detections = search_again(_WhitePatches(), _photo(patch), [_EDIT])
    assert len(detections) == found
    if found:
        x, y, side = patch
        np.testing.assert_allclose(detections[0].box_xyxy, [x, y, x + side, y + side], atol=4 if side > 80 else 1)


def test_a_face_that_a_part_cuts_is_not_taken_for_a_smaller_one() -> None:
    # The part ends at x = 996.
    assert search_again(_WhitePatches(), _photo((970, 540, 60)), [_EDIT]) == []


def test_a_face_at_the_photo_s_own_edge_is_found() -> None:
    assert len(search_again(_WhitePatches(), _photo((1250, 690, 30)), [np.array([1200.0, 640, 1280, 720])])) == 1


@pytest.mark.parametrize(
    ("image", "edited"),
    [
        (_photo(size_hw=(250, 250)), [_EDIT]),
        (_photo(), [np.array([x, y, x + 40, y + 40], float) for x in range(0, 1280, 120) for y in range(0, 700, 120)]),
    ],
    ids=["a small photo", "a crowd"],
)
def test_a_photo_is_searched_once_where_parts_would_save_nothing(image: Image, edited: list[NDArray[np.float64]]) -> None:
    detector = _WhitePatches()
    search_again(detector, image, edited)
    assert detector.sizes == [image.shape[:2]]


def test_edits_that_meet_are_one_part() -> None:
    detector = _WhitePatches()
    search_again(detector, _photo(), [_EDIT, _EDIT + 40, np.array([100.0, 100, 150, 150])])
    assert len(detector.sizes) == 3
