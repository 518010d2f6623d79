"""What lies beside people who stand is seen in close looks at faint places."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest

from deid.core.types import Detection, Image
from deid.detection import build_detector
from deid.detection.close_looks import QUARTERS, at_quarters, lying_at


@dataclass
class _Arrow:
    """Finds red squares with a blue one to their right, and says which side of the image that is."""

    name: str = "arrow"
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def detect(self, image: Image) -> list[Detection]:
        self.shapes.append(image.shape)
        found = []
        n, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > 150).astype(np.uint8))
        for x, y, w, h, _ in stats[1:n]:
            beside = image[y : y + h, x + w + 1 : x + w + 3]
            if beside.size and (beside[..., 2] > 150).mean() > 0.5:
                found.append(Detection(np.array([x, y, x + w, y + h], float), 0.9))
        return found


def _image(degrees: int = 0, at: tuple[int, int] = (60, 40)) -> Image:
    """A red square of 10 pixels, its blue neighbour turned counter-clockwise about it."""
    image = np.zeros((120, 160, 3), np.uint8)
    x, y = at
    dx, dy = {0: (10, 0), 90: (0, -10), 180: (-10, 0), 270: (0, 10)}[degrees]
    image[y : y + 10, x : x + 10, 0] = 255
    image[y + dy : y + dy + 10, x + dx : x + dx + 10, 2] = 255
    return image


@pytest.mark.parametrize("degrees", QUARTERS)
def test_images_are_searched_together_and_detections_come_back(degrees: int) -> None:
    detector, images = _Arrow(), [_image(-degrees % 360), _image(-degrees % 360, (100, 70))]
    found = at_quarters(detector, images)
    assert len(detector.shapes) == 1
    for own, (x, y) in zip(found, ((60, 40), (100, 70)), strict=True):
        assert [len(quarter) for quarter in own] == [int(q == degrees) for q in QUARTERS]
        np.testing.assert_allclose(own[QUARTERS.index(degrees)][0].box_xyxy, [x, y, x + 10, y + 10])


def test_a_face_that_lies_at_a_faint_place_is_found() -> None:
    image, place = _image(90), Detection(np.array([56.0, 34, 76, 54]), 0.3)
    (face,) = lying_at(_Arrow(), image, [place])
    np.testing.assert_allclose(face.box_xyxy, [60, 40, 70, 50], atol=1)
    assert lying_at(_Arrow(), image, [replace(place, score=0.85)]) == []  # as sure upright
    assert lying_at(_Arrow(), image, [Detection(np.array([300.0, 300, 320, 320]), 0.3)]) == []
    assert lying_at(_Arrow(), image, []) == []


def test_few_places_are_looked_at() -> None:
    detector = _Arrow()
    lying_at(detector, _image(), [Detection(np.array([x, 40.0, x + 10, 50]), 0.3) for x in range(20, 120)])
    ((height, width, _),) = detector.shapes
    assert height * width <= 6 * 3 * 80**2


@pytest.mark.parametrize("size", [0.3, 0.45])
def test_a_small_face_that_lies_beside_somebody_who_stands_is_found(hopper: Image, astronaut: Image, size: float) -> None:
    canvas = np.full((900, 1000, 3), 170, np.uint8)
    canvas[:300, :256] = hopper
    small = np.rot90(cv2.resize(astronaut, None, fx=size, fy=size, interpolation=cv2.INTER_AREA), 2)
    canvas[550 : 550 + small.shape[0], 600 : 600 + small.shape[1]] = small
    found = build_detector("mtcnn_once+centerface", 15).detect(canvas)
    assert any((d.box_xyxy[:2] > 540).all() for d in found)
    assert any((d.box_xyxy < 300).all() for d in found)
