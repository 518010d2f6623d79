"""A new face that is moved from keyframe to keyframe of a video."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.anonymizer.pasted import Pasted
from deid.compositing.blend import paste
from deid.compositing.proposal import Proposal
from deid.core.types import EditedFace, Image
from deid.imaging import geometry

MATRIX = np.array([[0.5, 0.0, -30.0], [0.0, 0.5, -20.0]])


@pytest.fixture
def points() -> NDArray[np.float64]:
    """68 landmarks all over the middle of a crop."""
    return np.random.default_rng(0).uniform(40, 90, (68, 2))


def _proposal(value: int = 0) -> Proposal:
    """A smooth picture, or one grey, on an ellipse."""
    picture = cv2.GaussianBlur(np.random.default_rng(1).uniform(0, 255, (256, 256, 3)), (0, 0), 8)
    crop = np.asarray(cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX), np.uint8)
    crop = np.full_like(crop, value) if value else crop
    mask = np.zeros((256, 256), np.float32)
    cv2.ellipse(mask, (128, 140), (60, 80), 0, 0, 360, 1.0, -1)
    return Proposal(EditedFace(crop[::2, ::2], "fake", None), crop, cv2.GaussianBlur(mask, (0, 0), 4), crop)


def _photo() -> Image:
    return np.full((300, 400, 3), 90, np.uint8)


def test_a_face_that_did_not_move_looks_as_it_was_pasted(points: NDArray[np.float64]) -> None:
    proposal = _proposal()
    expected, where = paste(_photo(), proposal.crop, geometry.enlarged(MATRIX, 2), proposal.mask)
    out, touched = Pasted.of(proposal, MATRIX, points).paste(_photo(), MATRIX, points)
    assert np.abs(out.astype(int) - expected).max() <= 4
    # A weight under half of 1/255 is none.
    assert where[touched].all()
    assert touched.sum() > 0.8 * where.sum()
    assert np.array_equal(out[~touched], _photo()[~touched])


def test_a_face_moves_and_grows_with_its_landmarks(points: NDArray[np.float64]) -> None:
    kept = Pasted.of(_proposal(), MATRIX, points)
    out, touched = kept.paste(_photo(), MATRIX, points)
    # The head is 20 pixels further to the right, and the matrix has not followed it yet.
    moved, there = kept.paste(_photo(), MATRIX, points + np.array([10.0, 0.0]))
    shifted = np.roll(out, 20, axis=1)
    inside = cv2.erode((np.roll(touched, 20, axis=1) & there).astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
    assert inside.sum() > 5000
    assert np.abs(moved.astype(int) - shifted)[inside].mean() < 3
    larger, wide = kept.paste(_photo(), np.array([[0.4, 0, -20.0], [0, 0.4, 0.0]]), points)
    assert wide.sum() == pytest.approx(touched.sum() * (0.5 / 0.4) ** 2, rel=0.03)
    assert larger.shape == out.shape


def test_one_face_takes_the_place_of_another_little_by_little(points: NDArray[np.float64]) -> None:
    first = Pasted.of(_proposal(60), MATRIX, points)
    second = Pasted.of(_proposal(220), MATRIX, points, first)
    middle = [int(second.paste(_photo(), MATRIX, points, faded)[0][180, 190, 0]) for faded in (0.0, 0.25, 0.5, 1.0)]
    assert middle == pytest.approx([60, 100, 140, 220], abs=2)
    # Where the second one is cut short, the third one begins where it was.
    third = Pasted.of(_proposal(20), MATRIX, points, second, 0.5)
    assert int(third.paste(_photo(), MATRIX, points, 0.0)[0][180, 190, 0]) == pytest.approx(140, abs=2)


def test_a_mouth_that_opens_after_the_keyframe_shows_the_subjects_teeth(points: NDArray[np.float64]) -> None:
    """In place of lips that swell."""
    points, photo = points.copy(), _photo()
    angle = np.linspace(np.pi, 3 * np.pi, 8, endpoint=False)
    points[60:68] = np.column_stack([64 + 10 * np.cos(angle), 70 + 0.5 * np.sin(angle)])
    kept = Pasted.of(_proposal(200), MATRIX, points)
    shape, own = points.copy(), points.copy()
    shape[60:68, 1] = 70 + 8 * np.sin(angle)
    own[60:68] = shape[60:68] + np.array([6.0, 0.0])
    # The subject's mouth, 12 pixels to the right of the new one's.
    inside = geometry.apply(geometry.invert(MATRIX), own[60:68])
    cv2.fillPoly(photo, [inside.round().astype(np.int32)], (20, 20, 20))
    middle = geometry.apply(geometry.invert(MATRIX), np.array([[64.0, 70.0]]))[0].round().astype(int)
    closed, _ = kept.paste(photo, MATRIX, points, own=points)
    opened, touched = kept.paste(photo, MATRIX, shape, own=own)
    without, _ = kept.paste(photo, MATRIX, shape)
    x, y = middle
    assert closed[y, x].tolist() == without[y, x].tolist() == [200] * 3
    assert np.abs(opened[y - 4 : y + 5, x - 8 : x + 9].astype(int) - 20).max() <= 2
    assert np.array_equal(opened[~touched], photo[~touched])
    assert opened[y - 40, x].tolist() == without[y - 40, x].tolist()


def test_a_face_outside_of_the_frame_is_left_out(points: NDArray[np.float64]) -> None:
    out, touched = Pasted.of(_proposal(), MATRIX, points).paste(_photo(), MATRIX + np.array([[0, 0, 900.0], [0, 0, 0]]), points)
    assert not touched.any()
    assert np.array_equal(out, _photo())
