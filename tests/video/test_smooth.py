"""Landmarks that follow a head without trembling."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.core.types import Detection, Image
from deid.editing.shapes import MOUTH
from deid.imaging import geometry
from deid.imaging.alignment import align
from deid.landmarks.face_points import FacePoints
from deid.video.smooth import LandmarkFilter


@pytest.fixture(scope="module")
def shape(hopper: Image, officer: Detection) -> NDArray[np.float64]:
    """(68, 2) the officer's landmarks."""

    face = align(hopper, officer)
    return geometry.apply(geometry.invert(face.matrix), FacePoints().points(face.crop))


def _moved(image: Image, x: float, y: float) -> Image:
    way = np.array([[1.0, 0, x], [0, 1, y]])
    return np.asarray(cv2.warpAffine(image, way, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def test_landmarks_that_tremble_together_do_not_shake_a_new_face(hopper: Image, shape: NDArray[np.float64]) -> None:
    """The head moves as its pixels do."""
    rng, follow = np.random.default_rng(0), LandmarkFilter()
    way = np.array([(1.5 * i, 4 * np.sin(i / 5)) for i in range(25)])
    shaken = rng.normal(0, 1.0, way.shape)
    found = np.array([follow(shape + at + off, _moved(hopper, *at)) - shape - at for at, off in zip(way, shaken, strict=True)])
    trembles = [np.linalg.norm(np.diff(of, 2, axis=0), axis=-1).mean() for of in (found.mean(axis=1), shaken)]
    assert trembles[0] < 0.35 * trembles[1]
    assert np.linalg.norm(found.mean(axis=1), axis=-1).max() < np.linalg.norm(shaken, axis=-1).max()


@pytest.mark.parametrize("what", ["an even picture", "another scene"])
def test_a_head_that_cannot_be_followed_is_where_its_landmarks_say(what: str, hopper: Image, shape: NDArray[np.float64]) -> None:
    follow, even = LandmarkFilter(), np.full_like(hopper, 90)
    first, second = (even, even) if what == "an even picture" else (hopper, np.ascontiguousarray(hopper[:, ::-1]))
    elsewhere = shape + np.array([30.0, -12.0])
    follow(shape, first)
    np.testing.assert_allclose(follow(elsewhere, second), elsewhere, atol=1e-6)


def test_a_face_at_the_border_or_outside_of_the_frame_is_followed(hopper: Image, shape: NDArray[np.float64]) -> None:
    for away in (hopper.shape[1] - 60.0, 900.0):
        follow, there = LandmarkFilter(), shape + np.array([away, 0.0])
        for _ in range(3):
            found = follow(there, hopper)
        np.testing.assert_allclose(found, there, atol=1e-6)


def test_lips_are_followed_sooner_than_brows(hopper: Image, shape: NDArray[np.float64]) -> None:
    follow, opened = LandmarkFilter(), shape.copy()
    opened[[57, 66], 1] += 12
    raised = opened.copy()
    raised[17:27, 1] -= 12
    follow(shape, hopper)
    found = [follow(raised, hopper) for _ in range(3)][-1] - shape
    assert found[MOUTH][9, 1] > 0.8 * 12
    assert found[MOUTH][9, 1] > -found[19, 1] > 0
