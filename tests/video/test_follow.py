"""A drawn box that is followed through frames without a detector."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from deid.core.types import Image
from deid.video.follow import follow

_BOX = np.array([100.0, 60.0, 150.0, 120.0])


@dataclass
class Still:
    image: Image

    def rgb(self) -> Image:
        return self.image


def texture(seed: int, size: tuple[int, int]) -> Image:
    """Soft noise, as a photo has it."""
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3).astype(int) * 3 - 250).clip(0, 255).astype(np.uint8)


def moving(shifts: Sequence[int], hidden: Sequence[int] = ()) -> list[Still]:
    """A patch that moves over another ground; in some frames something hides it."""
    ground, patch = texture(1, (200, 320)), texture(2, (60, 50))
    frames = []
    for i, shift in enumerate(shifts):
        image = ground.copy()
        image[60:120, 100 + shift : 150 + shift] = patch
        if i in hidden:
            image[40:140, 60:260] = texture(3 + i, (100, 200))
        frames.append(Still(image))
    return frames


def centre(face: object) -> float:
    box = face.detection.box_xyxy  # type: ignore[attr-defined]
    return float(box[0] + box[2]) / 2


def test_it_is_followed_both_ways() -> None:
    shifts = [4 * i - 40 for i in range(21)]
    found = follow(moving(shifts), 10, _BOX, 3, 25.0)
    assert sorted(found) == list(range(21))
    for i, face in found.items():
        assert abs(centre(face) - (125 + shifts[i])) < 4
        assert (face.track, face.state) == (3, "remembered")
    np.testing.assert_allclose(found[10].detection.box_xyxy, _BOX, atol=1)


def test_it_ends_with_the_scene_on_both_sides() -> None:
    frames = moving([0] * 12)
    other = [Still(np.full((200, 320, 3), value, np.uint8)) for value in (250, 5)]
    found = follow([*[other[0]] * 5, *frames, *[other[1]] * 5], 8, _BOX, 0, 25.0)
    assert sorted(found) == list(range(5, 17))


def test_where_it_is_lost_it_stays_covered_for_a_while() -> None:
    found = follow(moving([0] * 40, hidden=range(20, 40)), 10, _BOX, 0, 25.0)
    assert 24 <= max(found) <= 34
    first, last = (found[i].detection.size for i in (15, max(found)))
    assert last > first


def test_it_comes_back_from_behind_something() -> None:
    found = follow(moving([0] * 30, hidden=range(12, 16)), 5, _BOX, 0, 25.0)
    assert sorted(found) == list(range(30))


def test_what_leaves_the_picture_is_no_longer_followed() -> None:
    found = follow(moving([6 * i for i in range(28)]), 0, _BOX, 0, 25.0)
    assert max(found) >= 26
    assert all(face.detection.box_xyxy[0] < 320 for face in found.values())
