"""Brows and lips of a new face have the shades of the photo's."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing.shades import match_shades
from deid.compositing.skin import darkness
from deid.core.temporal import FieldSmoother
from deid.core.types import AlignedFace, Image
from deid.imaging.template import BROWS, around_brow, filled

Field = NDArray[np.float32]
ALL = np.ones((128, 128), bool)
SKIN, BLACK, FAIR = (196, 150, 128), (40, 34, 32), (176, 128, 104)


@pytest.fixture
def points(officer_face: AlignedFace) -> NDArray[np.float64]:
    assert officer_face.points is not None
    return officer_face.points


def _face(points: NDArray[np.float64], brows: tuple[int, int, int], lips: tuple[int, int, int] = (170, 100, 96), n: int = 128) -> Field:
    """Plain skin with brows and lips of these colours."""
    face = np.full((128, 128, 3), SKIN, np.float32)
    mouth = np.clip(filled(points[48:60]) - filled(points[60:68]), 0, 1)
    for where, colour in ((np.maximum(*[around_brow(points[part], 1.5) for part in BROWS]), brows), (mouth, lips)):
        face += where[..., None] * (np.float32(colour) - face)
    return np.asarray(cv2.resize(face, (n, n), interpolation=cv2.INTER_LINEAR), np.float32)


def _photo(*arguments: Any) -> Image:
    return np.asarray(_face(*arguments).round(), np.uint8)


def _lab(face: Field) -> Field:
    return np.asarray(cv2.cvtColor(cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _dark(face: Field, points: NDArray[np.float64]) -> float:
    return float(np.mean([darkness(_lab(face)[..., 0], around_brow(points[part])) for part in BROWS]))


@pytest.mark.parametrize("n", [128, 384])
def test_black_brows_are_as_faint_as_the_photos(n: int, points: NDArray[np.float64]) -> None:
    black, fair = _face(points, BLACK, n=n), _photo(points, FAIR)
    out = match_shades(black, points, fair, points, ALL)
    assert _dark(black, points) > 3 * _dark(fair.astype(np.float32), points)
    assert _dark(out, points) < 0.6 * _dark(black, points)
    away = np.asarray(cv2.resize(filled(points[27:48]), (n, n)) > 0.9)
    np.testing.assert_allclose(out[away], black[away], atol=1)


def test_fainter_brows_are_not_grey(points: NDArray[np.float64]) -> None:
    """Mixed with skin in equal shares, black is the grey of ash."""
    out = _lab(match_shades(_face(points, BLACK), points, _photo(points, FAIR), points, ALL))
    brow = np.maximum(*[around_brow(points[part], 1.0) for part in BROWS]) > 0.9
    colour, skin = (float(np.hypot(*out[where][:, 1:].mean(axis=0))) for where in (brow, filled(points[27:36]) > 0.9))
    assert colour > 0.75 * skin


def test_brows_no_darker_than_the_photos_stay(points: NDArray[np.float64]) -> None:
    fair = _face(points, FAIR)
    np.testing.assert_allclose(match_shades(fair, points, _photo(points, BLACK), points, ALL), fair, atol=1)


def test_one_brow_in_a_shadow_says_little(points: NDArray[np.float64]) -> None:
    """Both of the new face are as faint as both of the photo's are on average."""
    photo = _photo(points, FAIR)
    photo[around_brow(points[BROWS[0]]) > 0.5] = BLACK
    out = match_shades(_face(points, BLACK), points, photo, points, ALL)
    left, right = (darkness(_lab(out)[..., 0], around_brow(points[part])) for part in BROWS)
    assert left == pytest.approx(right, rel=0.3)


def test_brows_behind_a_frame_ask_for_nothing(points: NDArray[np.float64]) -> None:
    """Where glasses are taken off there is skin; the new face keeps its brows."""
    black, bare = _face(points, BLACK), _photo(points, SKIN)
    frame = np.maximum(*[around_brow(points[part], 4) for part in BROWS]) > 0
    np.testing.assert_allclose(match_shades(black, points, bare, points, ~frame), black, atol=1)
    assert np.abs(match_shades(black, points, bare, points, ALL) - black).max() > 40


def _redness(face: Field, points: NDArray[np.float64]) -> float:
    return float(np.median(_lab(face)[np.clip(filled(points[48:60]) - filled(points[60:68]), 0, 1) > 0.9][:, 1]))


def test_lips_have_the_colour_of_the_photos(points: NDArray[np.float64]) -> None:
    red, pale = _face(points, FAIR, (150, 60, 70)), _photo(points, FAIR, (182, 126, 112))
    out = match_shades(red, points, pale, points, ALL)
    before, wanted = _redness(red, points), _redness(pale.astype(np.float32), points)
    assert abs(_redness(out, points) - wanted) < 0.7 * abs(before - wanted)
    np.testing.assert_allclose(out[filled(points[27:36]) > 0.9], red[filled(points[27:36]) > 0.9], atol=1)


def test_hand_before_the_mouth_gives_lips_no_colour(points: NDArray[np.float64]) -> None:
    red, hand = _face(points, FAIR, (150, 60, 70)), _photo(points, FAIR, SKIN)
    seen = ALL.copy()
    seen[round(points[48:60, 1].min()) - 1 :] = False
    np.testing.assert_allclose(match_shades(red, points, hand, points, seen), red, atol=1)


def test_in_a_video_they_are_not_read_anew_in_each_frame(points: NDArray[np.float64]) -> None:
    """Of a few pixels they are read differently each time."""
    face, steady = _face(points, BLACK, (150, 60, 70)), FieldSmoother()
    first, second = (_photo(points, brows, lips) for brows, lips in ((FAIR, (182, 126, 112)), (BLACK, (150, 60, 70))))
    out = match_shades(face, points, first, points, ALL, steady)
    steady.go_on(keyframe=True)
    np.testing.assert_allclose(match_shades(face, points, second, points, ALL, steady), out, atol=0.5)
    assert np.abs(match_shades(face, points, second, points, ALL) - out).max() > 20


def test_lips_never_take_another_colour_altogether(points: NDArray[np.float64]) -> None:
    """Landmarks may lie on a microphone."""
    red, green = _face(points, FAIR), _photo(points, FAIR, (0, 255, 0))
    assert np.abs(match_shades(red, points, green, points, ALL) - red).max() <= 41
