"""What `reach = "head"` takes for hair, and what stays as it is."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing import head
from deid.core.types import AlignedFace, Image

SKIN, BROWN, SHINE = (196, 150, 128), (70, 48, 34), (250, 222, 206)
Points = NDArray[np.float64]


@pytest.fixture
def points(officer_face: AlignedFace) -> Points:
    """In the head's wide crop."""
    assert officer_face.points is not None
    return officer_face.points + (head._SIDE - 128) / 2 + (0, head._BELOW)


def _forehead(points: Points) -> tuple[int, int]:
    """Middle of a high forehead."""
    return int(points[27, 0]), int(points[17:27, 1].min() - 0.6 * (points[30, 1] - points[17:27, 1].mean()))


def _bald(points: Points, colour: tuple[int, int, int]) -> Image:
    """A head of skin with a patch on the forehead."""
    photo = np.full((head._SIDE, head._SIDE, 3), SKIN, np.uint8)
    cv2.circle(photo, _forehead(points), 9, colour, -1)
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), 2.0), np.uint8)


@pytest.mark.parametrize(("colour", "hair"), [(SHINE, False), (SKIN, False), (BROWN, True)], ids=["shine", "skin", "hair"])
def test_a_shining_forehead_is_no_hair(colour: tuple[int, int, int], hair: bool, points: Points) -> None:
    """It would get the shade of the new hair: a bright patch."""
    found = head._hair(_bald(points, colour), points, np.ones((head._SIDE, head._SIDE), np.float32))
    x, y = _forehead(points)
    assert (found[y, x] > 0.5) == hair
    assert hair or found[y - 8 : y + 8, x - 8 : x + 8].max() < 0.2


def test_background_and_features_stay(points: Points, officer_face: AlignedFace) -> None:
    rng = np.random.default_rng(0)
    photo = np.asarray(cv2.GaussianBlur(rng.integers(0, 256, (400, 400, 3), np.uint8), (0, 0), 3), np.uint8)
    assert officer_face.points is not None
    matrix = np.array([[1.0, 0, -136], [0, 1.0, -136]])
    out, touched = head.reshape(photo, np.zeros((400, 400), bool), matrix, officer_face.points, head.Shape.draw(rng))
    np.testing.assert_array_equal(out[~touched], photo[~touched])
    nose = np.round(officer_face.points[30] + 136).astype(int)
    near = out[nose[1] - 4 : nose[1] + 4, nose[0] - 4 : nose[0] + 4].astype(int)
    assert np.abs(near - photo[nose[1] - 4 : nose[1] + 4, nose[0] - 4 : nose[0] + 4]).max() <= 1
    assert touched.any()
    assert not touched[:, :20].any()
