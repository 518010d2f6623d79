"""A new face gets the photo's grain and sharpness."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing.grain import Regions, match_contrast, match_grain
from deid.core.types import Image

Field = NDArray[np.float32]
EVERYWHERE: NDArray[np.bool_] = np.zeros((256, 256), bool)
EVERYWHERE[16:-16, 16:-16] = True
ALL = Regions(EVERYWHERE, EVERYWHERE)


def _noisy(sigma: float, seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, (256, 256, 1)) * np.ones(3)
    return np.clip(np.round(128 + noise), 0, 255).astype(np.uint8)


def _smooth() -> Field:
    y, x = np.mgrid[:256, :256]
    return (130 + 20 * np.sin(x / 50) + 10 * np.cos(y / 40))[..., None].astype(np.float32) * np.ones(3, np.float32)


def _detail(picture: NDArray[Any], sigma: float = 1.2) -> float:
    """Spread of what is finer than so many pixels, in grey levels."""
    grey = np.asarray(picture, np.float32).mean(axis=2)
    return float((grey - cv2.GaussianBlur(grey, (0, 0), sigma))[EVERYWHERE].std())


@pytest.mark.parametrize("sigma", [2.0, 6.0, 14.0])
def test_smooth_face_in_a_grainy_photo_gets_its_grain(sigma: float) -> None:
    photo = _noisy(sigma)
    out = match_grain(_smooth(), photo, ALL, ALL)
    assert _detail(out) == pytest.approx(_detail(photo), rel=0.25)
    # Grain, and nothing else: the face keeps its colours.
    assert np.abs(cv2.GaussianBlur(out - _smooth(), (0, 0), 8)).max() < 0.25 * sigma + 0.5


def test_sharp_face_in_a_soft_photo_is_softened() -> None:
    sharp = _noisy(20).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(_noisy(20, 1), (0, 0), 2.5), np.uint8)
    out = match_grain(sharp, soft, ALL, ALL)
    assert _detail(out) < 0.5 * _detail(sharp)
    assert _detail(out) >= 0.8 * _detail(soft)
    assert abs(float(out.mean() - sharp.mean())) < 0.5


def test_face_as_sharp_as_the_photo_stays_as_it_is() -> None:
    face = _noisy(8).astype(np.float32)
    out = match_grain(face, _noisy(8, 1), ALL, ALL)
    assert _detail(out) == pytest.approx(_detail(face), rel=0.1)
    assert np.corrcoef((out - 128).ravel(), (face - 128).ravel())[0, 1] > 0.98


def test_smooth_photo_gives_no_grain() -> None:
    out = match_grain(_smooth(), np.full((256, 256, 3), 120, np.uint8), ALL, ALL)
    assert np.abs(out - _smooth()).max() < 1.0


def test_strand_of_hair_is_no_grain() -> None:
    photo = np.full((256, 256, 3), 128, np.uint8)
    photo[:, 40:44] = 10
    photo[100:103] = 250
    assert _detail(match_grain(_smooth(), photo, ALL, ALL)) < 1.0


@pytest.mark.parametrize("n", [0, 49])
def test_too_little_skin_says_nothing(n: int) -> None:
    few = np.zeros((256, 256), bool)
    few.ravel()[:n] = True
    face = _smooth()
    for inside, around in ((few, EVERYWHERE), (EVERYWHERE, few)):
        np.testing.assert_array_equal(match_grain(face, _noisy(10), Regions(inside, EVERYWHERE), Regions(around, EVERYWHERE)), face)


def test_input_is_left_alone_and_the_same_comes_twice() -> None:
    face, photo = _smooth(), _noisy(6)
    one, two = (match_grain(face, photo, ALL, ALL) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(face, _smooth())
    np.testing.assert_array_equal(photo, _noisy(6))
    assert one.dtype == np.float32


@pytest.mark.parametrize("level", [0, 255])
def test_values_stay_in_range(level: int) -> None:
    out = match_grain(np.full((256, 256, 3), level, np.float32), _noisy(20), ALL, ALL)
    assert out.min() >= 0
    assert out.max() <= 255


def test_skin_and_features_together_are_as_sharp_as_the_photo() -> None:
    """Half of the face is smooth, half has features: neither is matched alone."""
    features = EVERYWHERE.copy()
    features[:128] = False
    regions = Regions(EVERYWHERE & ~features, features)
    rng, rest = np.random.default_rng(2), np.where(features, 1.0, 0.3)[..., None]
    photo = np.clip(128 + rng.normal(0, 12, (256, 256, 1)) * rest * np.ones(3), 0, 255).astype(np.uint8)
    face = (128 + cv2.GaussianBlur(rng.normal(0, 12, (256, 256)), (0, 0), 0.5)[..., None] * rest * np.ones(3)).astype(np.float32)
    out = match_grain(face, photo, regions, regions)
    assert _detail(out) == pytest.approx(_detail(photo), rel=0.15)
    assert _detail(face) < 0.7 * _detail(photo)


@pytest.mark.parametrize(("share", "expected"), [(0.85, 1.0), (1.0, 1.0), (0.3, 0.39)], ids=["flat", "alike", "beyond the limit"])
def test_flat_face_gets_the_contrast_of_the_photo(share: float, expected: float) -> None:
    # What lies between the coarsest and the finest sigma, as in a face.
    shades = cv2.GaussianBlur(_noisy(60.0).astype(np.float32), (0, 0), 7)
    photo = np.asarray(np.clip(128 + 6 * (shades - shades.mean()), 0, 255), np.uint8)
    flat = np.asarray(128 + share * (photo.astype(np.float32) - 128), np.float32)
    out = match_contrast(flat, photo, ALL, ALL)
    assert out[EVERYWHERE].std() / photo[EVERYWHERE].std() == pytest.approx(expected, rel=0.06)
    assert abs(float(out.mean() - flat.mean())) < 1


@pytest.mark.parametrize(("share", "expected"), [(0.9, 1.0), (1.0, 1.0), (0.3, 0.31)], ids=["pale", "alike", "beyond the limit"])
def test_skin_of_one_colour_gets_the_colours_of_the_photo(share: float, expected: float) -> None:
    """Reddish cheeks: their lightness stays as it is."""
    spots = cv2.GaussianBlur(_noisy(60.0)[..., :1].astype(np.float32), (0, 0), 7)
    spots = 6 * (spots - spots.mean())[..., None] * np.float32([1.0, -0.4, -0.6])
    photo = np.asarray(np.clip(128 + spots, 0, 255), np.uint8)
    pale = np.asarray(128 + share * (photo.astype(np.float32) - 128), np.float32)
    out = match_contrast(pale, photo, ALL, ALL)
    red = out[..., 0] - out[..., 2]
    assert red[EVERYWHERE].std() / (photo[..., 0].astype(float) - photo[..., 2])[EVERYWHERE].std() == pytest.approx(expected, rel=0.08)
