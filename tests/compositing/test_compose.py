"""A stand-in meets the photo: nothing beyond the mask changes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing import blend
from deid.compositing.compose import compose
from deid.core.types import AlignedFace, Image, StandIn
from deid.editing.portraits import Portraits
from deid.editing.stand_in import stand_in

SKIN = (200.0, 150.0, 120.0)


def _skin_face(face: AlignedFace, n: int) -> AlignedFace:
    """A face of one colour with the landmarks of another one, and a little grain."""
    large = np.clip(np.random.default_rng(0).normal(SKIN, 2, (n, n, 3)), 0, 255).astype(np.uint8)
    return replace(face, crop=_shrunk(large), large=large)


def _shrunk(large: Image) -> Image:
    return np.asarray(cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)


def _flat_stand_in(face: AlignedFace, n: int) -> StandIn:
    assert face.points is not None
    return StandIn(np.broadcast_to(np.array(SKIN, np.float32), (n, n, 3)).copy(), np.ones((128, 128), np.float32), face.points)


def _composed(new: StandIn, face: AlignedFace) -> tuple[Image, NDArray[np.float32]]:
    """The crop as it will look, and how much of it is new."""
    assert face.large is not None
    crop, mask, _ = compose(new, face)
    return blend.blend_crop(crop, face.large, mask), mask


@pytest.mark.parametrize("n", [128, 256, 384])
def test_nothing_changes_beyond_the_mask(n: int, bank: Portraits, officer_face: AlignedFace) -> None:
    assert officer_face.large is not None
    assert officer_face.points is not None
    face = replace(officer_face, large=np.asarray(cv2.resize(officer_face.large, (n, n), interpolation=cv2.INTER_AREA), np.uint8))
    assert face.large is not None
    new = stand_in(bank, [3, 40], [0.6, 0.4], face.crop, face.large, officer_face.points)
    crop, mask, fit = compose(new, face)
    assert crop.shape == (n, n, 3)
    assert crop.dtype == np.uint8
    assert mask.shape == (n, n)
    assert mask.min() >= 0
    assert mask.max() <= 1 + 1e-6
    assert 0 <= fit.value <= 1
    out = blend.blend_crop(crop, face.large, mask)
    np.testing.assert_array_equal(out[mask == 0], face.large[mask == 0])
    assert (mask == 0).mean() > 0.3
    assert (mask > 0.9).mean() > 0.1
    assert np.abs(out[mask > 0.9].astype(int) - face.large[mask > 0.9]).mean() > 5


def test_colours_meet_the_photos(officer_face: AlignedFace) -> None:
    """A stand-in that is darker all over leaves no edge."""
    face = _skin_face(officer_face, 256)
    new = _flat_stand_in(face, 256)
    out, _ = _composed(replace(new, face=new.face - 50), face)
    assert np.abs(out.astype(float) - SKIN).mean() < 5


FLAT = {"grey": 90, "black": 0, "white": 255}


@pytest.mark.parametrize("level", FLAT.values(), ids=FLAT.keys())
def test_picture_without_a_face_gives_a_picture(level: int, bank: Portraits, officer_face: AlignedFace) -> None:
    """What it shows is for the gate to say."""
    assert officer_face.points is not None
    blank = np.full((256, 256, 3), level, np.uint8)
    face = replace(officer_face, crop=_shrunk(blank), large=blank)
    crop, mask, fit = compose(stand_in(bank, [3], [1.0], face.crop, blank, officer_face.points), face)
    assert crop.dtype == np.uint8
    assert np.isfinite(mask).all()
    assert 0 <= fit.value <= 1


def test_landmarks_outside_of_the_crop_do_not_fit(officer_face: AlignedFace) -> None:
    assert officer_face.points is not None
    face = replace(officer_face, points=officer_face.points + 400, attributes=None)
    _, mask, fit = compose(replace(_flat_stand_in(face, 384), points=face.points), face)  # type: ignore[arg-type]
    assert np.isfinite(mask).all()
    assert fit.value == 0


def test_grain_of_the_photo_is_that_of_the_new_face(officer_face: AlignedFace) -> None:
    face = _skin_face(officer_face, 256)
    noise = np.random.default_rng(1).normal(0, 8, (256, 256, 1))
    grainy = np.clip(np.array(SKIN) + noise, 0, 255).astype(np.uint8)
    out, mask = _composed(_flat_stand_in(face, 256), replace(face, crop=_shrunk(grainy), large=grainy))

    def detail(picture: Image) -> float:
        grey = picture.astype(np.float32).mean(axis=2)
        return float((grey - cv2.GaussianBlur(grey, (0, 0), 1.2))[mask > 0.95].std())

    assert detail(out) == pytest.approx(detail(grainy), rel=0.3)


def test_hot_spot_on_the_seam_gives_the_face_no_cast(officer_face: AlignedFace) -> None:
    """A hand against the cheek, or a bright wall behind the jaw, changes what is near it alone."""
    face = _skin_face(officer_face, 256)
    assert face.large is not None
    assert face.points is not None
    hot, x = face.large.copy(), round(2 * face.points[3:6, 0].mean())
    hot[:, : x + 16] = 255
    out, mask = _composed(_flat_stand_in(face, 256), replace(face, crop=_shrunk(hot), large=hot))
    nose = (face.points[27:36].mean(axis=0) * 2).round().astype(int)
    middle = np.s_[nose[1] - 12 : nose[1] + 12, nose[0] - 12 : nose[0] + 12]
    assert mask[middle].min() > 0.9
    assert np.abs(out[middle].astype(float).mean(axis=(0, 1)) - SKIN).max() < 4
