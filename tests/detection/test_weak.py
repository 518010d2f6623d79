"""A weak signal is told from an ordinary photo, and half the size is looked at where it is."""

import io
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.types import Detection, Image
from deid.detection.turned import TurnedDetector
from deid.detection.weak import Signal, detect_in_smaller, signal_of


def _moved(image: Image, axis: int) -> Image:
    kernel = np.full((15, 1) if axis else (1, 15), 1 / 15)
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT), np.uint8)


def _jpeg(image: Image, quality: int) -> Image:
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(PillowImage.open(buffer).convert("RGB"))


def _noisy(image: Image) -> Image:
    return np.clip(image + np.random.default_rng(0).normal(0, 40, image.shape), 0, 255).astype(np.uint8)


def test_ordinary_photos_are_not_weak(astronaut: Image, hopper: Image) -> None:
    for image in (astronaut, hopper, _jpeg(hopper, 75), 255 - astronaut, np.ascontiguousarray(np.rot90(hopper))):
        assert signal_of(image) == "ordinary"


def test_weak_signals_are_told(astronaut: Image, hopper: Image) -> None:
    for image in (astronaut, hopper):
        assert [signal_of(_moved(image, axis)) for axis in (0, 1)] == ["blurred", "blurred"]
        assert [signal_of(spoilt) for spoilt in (_jpeg(image, 5), _noisy(image))] == ["coarse", "coarse"]


@pytest.mark.parametrize("size", [(1, 1), (31, 400), (40, 40)])
def test_flat_and_tiny_images_are_not_weak(size: tuple[int, int]) -> None:
    assert signal_of(np.full((*size, 3), 90, np.uint8)) == "ordinary"


@dataclass
class _Sees:
    """Finds a face at one height of the image alone, and keeps what it saw."""

    height: int
    dark: bool = False
    score: float = 0.99
    name: str = "sees"
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def detect(self, image: Image) -> list[Detection]:
        self.seen.append(image.shape)
        if image.shape[0] != self.height or (image.mean() < 128) != self.dark:
            return []
        points = np.array([[30.0, 30], [50, 30], [40, 40], [32, 50], [48, 50]])
        return [Detection(np.array([20.0, 20, 60, 60]), self.score, points, self.name)]


def test_half_size_leads_back(astronaut: Image) -> None:
    found = detect_in_smaller(_Sees(150), np.full((300, 400, 3), 200, np.uint8), "ordinary")
    np.testing.assert_allclose(found[0].box_xyxy, [40, 40, 120, 120])


def test_what_is_found_in_half_the_size_alone_is_kept() -> None:
    """Such as a face under a mask in a photo that is not weak."""
    found = TurnedDetector(_Sees(0), _Sees(150)).detect(np.full((300, 400, 3), 200, np.uint8))
    assert any(np.allclose(d.box_xyxy, [40, 40, 120, 120]) for d in found)


@pytest.mark.parametrize(
    ("signal", "heights", "score", "kept"),
    [
        ("ordinary", (150,), 0.53, False),
        ("ordinary", (150,), 0.65, True),
        ("blurred", (150,), 0.53, True),
        ("coarse", (150,), 0.53, False),
        ("coarse", (150,), 0.65, True),
        ("coarse", (150, 180), 0.53, True),
    ],
)
def test_doubtful_faces_in_smaller_copies(signal: Signal, heights: tuple[int, ...], score: float, kept: bool) -> None:
    """A leaf of a sharp photo has a score like this now and then; so has a face in a blurred one, or in a noisy one at two scales."""

    class _Scales(_Sees):
        def detect(self, image: Image) -> list[Detection]:
            box = np.array([20.0, 20, 60, 60]) * image.shape[0] / 150
            return [Detection(box, self.score, None, self.name)] if image.shape[0] in heights else []

    found = detect_in_smaller(_Scales(0, score=score), np.full((300, 400, 3), 200, np.uint8), signal)
    assert len(found) == (len(heights) if kept else 0)
    assert all(np.allclose(d.box_xyxy, [40, 40, 120, 120]) for d in found)


def test_negative_is_looked_at_as_it_should_be() -> None:
    """Both find the face in the dark picture alone; a quick look in half the size says that it is worth it."""

    class _Dark(_Sees):
        def detect(self, image: Image) -> list[Detection]:
            self.height = image.shape[0]
            return super().detect(image)

    bright = np.full((300, 400, 3), 220, np.uint8)
    found = TurnedDetector(_Dark(0, dark=True), _Dark(0, dark=True)).detect(bright)
    assert any(np.allclose(d.box_xyxy, [20, 20, 60, 60]) for d in found)
