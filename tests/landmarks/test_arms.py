"""Arms of glasses are followed to the ears, and where there are none nothing is taken for one."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.core.types import AlignedFace, Glasses, Image
from deid.landmarks.arms import with_arms

SKIN = (200.0, 150.0, 120.0)
Field = NDArray[np.float32]


def _pair(face: AlignedFace, n: int, colour: int | None) -> tuple[Image, Glasses, Field]:
    """A face of one colour with two lenses and their rims, and arms of a grey level to the ears, which are not in the masks yet."""
    assert face.points is not None
    k = n / 128
    picture: NDArray[Any] = np.clip(np.random.default_rng(0).normal(SKIN, 2, (n, n, 3)), 0, 255).astype(np.uint8)
    frame, lenses, arms = (np.zeros((n, n), np.uint8) for _ in range(3))
    for part, jaw, side in ((slice(36, 42), 0, -1), (slice(42, 48), 16, 1)):
        place = (face.points[part].mean(axis=0) * k).round().astype(int).tolist()
        cv2.ellipse(lenses, place, (round(12 * k), round(9 * k)), 0, 0, 360, 1, -1)
        cv2.ellipse(frame, place, (round(12 * k), round(9 * k)), 0, 0, 360, 1, round(2 * k))
        ear = round(float(face.points[jaw, 0]) * k)
        cv2.line(arms, (place[0] + side * round(13 * k), place[1]), (ear, place[1] - round(2 * k)), 1, max(1, round(k)))
    if colour is not None:
        picture[arms > 0] = colour
    picture[frame > 0] = 20
    return picture, Glasses(np.float32(frame), np.float32((lenses > 0) & (frame == 0))), np.float32((arms > 0) & (frame == 0))


@pytest.mark.parametrize("n", [128, 256, 512])
@pytest.mark.parametrize("colour", [30, 240])
def test_arms_are_followed_to_the_ears(colour: int, n: int, officer_face: AlignedFace) -> None:
    picture, glasses, arms = _pair(officer_face, n, colour)
    assert officer_face.points is not None
    found = with_arms(glasses, picture, officer_face.points)
    assert (found.frame[arms > 0] > 0.25).mean() > 0.8
    assert (found.frame >= glasses.frame).all()
    assert np.array_equal(found.lenses, glasses.lenses)
    # No more than the arms themselves, and a little around them.
    more = (found.frame > 0.25) & (glasses.frame <= 0.25)
    assert not (more & (cv2.dilate(arms, np.ones((5, 5), np.uint8), iterations=n // 128) == 0)).any()


def test_where_no_arm_is_seen_none_is_found(officer_face: AlignedFace) -> None:
    picture, glasses, _ = _pair(officer_face, 256, None)
    assert officer_face.points is not None
    found = with_arms(glasses, picture, officer_face.points)
    assert ((found.frame > 0.25) & (glasses.frame <= 0.25)).mean() < 0.0005


def test_lenses_that_were_not_found_have_no_arms(officer_face: AlignedFace) -> None:
    picture, glasses, _ = _pair(officer_face, 256, 30)
    assert officer_face.points is not None
    nothing = Glasses(glasses.frame, np.zeros_like(glasses.lenses))
    assert np.array_equal(with_arms(nothing, picture, officer_face.points).frame, glasses.frame)
