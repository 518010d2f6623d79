"""Brows and lips of a new face have the shades of the photo's."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing.shades import match_shades
from deid.compositing.skin import dark_brows
from deid.core.temporal import FieldSmoother
from deid.core.types import AlignedFace, Detection, Image
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


def _subject(
    points: NDArray[np.float64], crop: Image | None = None, brows: float | None = None, steady: FieldSmoother | None = None
) -> AlignedFace:
    """Somebody with these landmarks, in plain skin where no photo is given."""
    crop = _photo(points, SKIN) if crop is None else crop
    face = Detection(np.array([20.0, 20, 108, 128]))
    return AlignedFace(crop, np.eye(2, 3), face, points, crop, steady=steady, brows=brows)


def _lab(face: Field) -> Field:
    return np.asarray(cv2.cvtColor(cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _dark(face: Field, points: NDArray[np.float64]) -> float:
    small = np.asarray(cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA), np.float32)
    return float(dark_brows(small, [around_brow(points[part]) for part in BROWS]).mean())


@pytest.mark.parametrize("n", [128, 384])
def test_black_brows_are_made_as_faint_as_the_subjects(n: int, points: NDArray[np.float64]) -> None:
    black, wanted = _face(points, BLACK, n=n), _dark(_face(points, FAIR), points)
    out = match_shades(black, points, _subject(points, brows=wanted), ALL)
    assert _dark(black, points) > 3 * wanted
    assert _dark(out, points) < 0.6 * _dark(black, points)
    away = np.asarray(cv2.resize(filled(points[27:48]), (n, n)) > 0.9)
    np.testing.assert_allclose(out[away], black[away], atol=1)


def test_faint_brows_are_made_darker(points: NDArray[np.float64]) -> None:
    """Somebody with black brows and a new face without any: nothing shows more."""
    fair, wanted = _face(points, FAIR), _dark(_face(points, BLACK), points)
    out = match_shades(fair, points, _subject(points, brows=wanted), ALL)
    assert 1.3 * _dark(fair, points) < _dark(out, points) < wanted


def test_fainter_brows_are_not_grey(points: NDArray[np.float64]) -> None:
    """Mixed with skin in equal shares, black is the grey of ash."""
    out = _lab(match_shades(_face(points, BLACK), points, _subject(points, brows=_dark(_face(points, FAIR), points)), ALL))
    brow = np.maximum(*[around_brow(points[part], 1.0) for part in BROWS]) > 0.9
    colour, skin = (float(np.hypot(*out[where][:, 1:].mean(axis=0))) for where in (brow, filled(points[27:36]) > 0.9))
    assert colour > 0.75 * skin


@pytest.mark.parametrize("share", [0.85, 1.0, 1.15, None])
def test_brows_that_are_dark_enough_stay(share: float | None, points: NDArray[np.float64]) -> None:
    """The wish is uncertain; where there is none, nothing is done either."""
    dark = _face(points, BLACK)
    wanted = None if share is None else share * _dark(dark, points)
    np.testing.assert_allclose(match_shades(dark, points, _subject(points, _photo(points, FAIR), wanted), ALL), dark, atol=1)


def test_plain_skin_gets_no_brows(points: NDArray[np.float64]) -> None:
    bare = _face(points, SKIN)
    np.testing.assert_allclose(match_shades(bare, points, _subject(points, brows=0.5), ALL), bare, atol=1)


def _redness(face: Field, points: NDArray[np.float64]) -> float:
    return float(np.median(_lab(face)[np.clip(filled(points[48:60]) - filled(points[60:68]), 0, 1) > 0.9][:, 1]))


def test_lips_have_the_colour_of_the_photos(points: NDArray[np.float64]) -> None:
    red, pale = _face(points, FAIR, (150, 60, 70)), _photo(points, FAIR, (182, 126, 112))
    out = match_shades(red, points, _subject(points, pale), ALL)
    before, wanted = _redness(red, points), _redness(pale.astype(np.float32), points)
    assert abs(_redness(out, points) - wanted) < 0.7 * abs(before - wanted)
    np.testing.assert_allclose(out[filled(points[27:36]) > 0.9], red[filled(points[27:36]) > 0.9], atol=1)


def test_hand_before_the_mouth_gives_lips_no_colour(points: NDArray[np.float64]) -> None:
    red, hand = _face(points, FAIR, (150, 60, 70)), _photo(points, FAIR, SKIN)
    seen = ALL.copy()
    seen[round(points[48:60, 1].min()) - 1 :] = False
    np.testing.assert_allclose(match_shades(red, points, _subject(points, hand), seen), red, atol=1)


def test_in_a_video_they_are_not_read_anew_in_each_frame(points: NDArray[np.float64]) -> None:
    """Of a few pixels they are read differently each time."""
    steady, pale, red = FieldSmoother(), (182, 126, 112), (150, 60, 70)
    face, near, far = _face(points, BLACK, red), _photo(points, FAIR, red), _photo(points, FAIR, pale)
    out = match_shades(face, points, _subject(points, far, 0.15, steady), ALL)
    steady.go_on(keyframe=True)
    np.testing.assert_allclose(match_shades(face, points, _subject(points, near, 0.4, steady), ALL), out, atol=0.5)
    alone = match_shades(face, points, _subject(points, near, 0.4), ALL)
    assert np.abs(alone - out)[around_brow(points[BROWS[0]]) > 0.9].max() > 15
    assert abs(_redness(alone, points) - _redness(out, points)) > 5


def test_lips_never_take_another_colour_altogether(points: NDArray[np.float64]) -> None:
    """Landmarks may lie on a microphone."""
    red, green = _face(points, FAIR), _photo(points, FAIR, (0, 255, 0))
    assert np.abs(match_shades(red, points, _subject(points, green), ALL) - red).max() <= 41
