"""A stand-in meets the photo: nothing beyond the mask changes, and no half pair of glasses is left."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing import blend
from deid.compositing import compose as composing
from deid.compositing.compose import compose
from deid.core.attributes import ATTRIBUTES
from deid.core.types import AlignedFace, Image, StandIn
from deid.editing.portraits import Portraits
from deid.editing.stand_in import stand_in

SKIN = (200.0, 150.0, 120.0)
GLASSES = ATTRIBUTES.index("Eyeglasses")


def _attributes(glasses: float) -> NDArray[np.float32]:
    out = np.zeros(len(ATTRIBUTES), np.float32)
    out[GLASSES] = glasses
    return out


def _skin_face(face: AlignedFace, n: int, glasses: float) -> AlignedFace:
    """A face of one colour with the landmarks of another one, and a little grain."""
    large = np.clip(np.random.default_rng(0).normal(SKIN, 2, (n, n, 3)), 0, 255).astype(np.uint8)
    return replace(face, crop=_shrunk(large), large=large, attributes=_attributes(glasses))


def _shrunk(large: Image) -> Image:
    return np.asarray(cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)


def _with_arms(face: AlignedFace, beyond: float = 10.0) -> tuple[AlignedFace, NDArray[np.bool_]]:
    """Dark arms of glasses from the eyes to beyond the jaw line, and where they are."""
    assert face.points is not None
    assert face.large is not None
    n, large = face.large.shape[0], face.large.copy()
    k, y = n / 128, face.points[36:48, 1].mean()
    where: NDArray[Any] = np.zeros((n, n), np.uint8)
    for jaw, eye in ((face.points[0, 0] - beyond, face.points[36, 0]), (face.points[16, 0] + beyond, face.points[45, 0])):
        a, b = ((round(x * k), round(y * k)) for x in (jaw, eye))
        cv2.line(where, a, b, 1, round(2 * k))
    large[where > 0] = 25
    return replace(face, crop=_shrunk(large), large=large), where > 0


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
    face = _skin_face(officer_face, 256, 0.0)
    new = _flat_stand_in(face, 256)
    out, _ = _composed(replace(new, face=new.face - 50), face)
    assert np.abs(out.astype(float) - SKIN).mean() < 5


@pytest.mark.parametrize("n", [128, 256, 512])
def test_no_stub_of_an_arm_is_left_beside_the_new_face(n: int, officer_face: AlignedFace) -> None:
    face, arms = _with_arms(_skin_face(officer_face, n, 0.9))
    out, mask = _composed(_flat_stand_in(face, n), face)
    assert (mask[arms] > 0.9).mean() > 0.8
    grey = out.mean(axis=2)
    # All of it that lies on the skin of the face.
    assert np.quantile(grey[arms], 0.1) > np.mean(SKIN) - 25
    # And far from the eyes no more is changed than without glasses.
    _, plain = _composed(_flat_stand_in(face, n), replace(face, attributes=_attributes(0.1)))
    assert face.points is not None
    away = np.abs(np.arange(n) * 128 / n - face.points[36:48, 1].mean()) > 36
    assert np.abs(mask - plain)[away].max() < 0.1


def test_line_beside_a_face_without_glasses_stays(officer_face: AlignedFace) -> None:
    """Hair, a scar, the edge of a wall: nobody asked for it to go."""
    face, arms = _with_arms(_skin_face(officer_face, 256, 0.1), 22)
    out, mask = _composed(_flat_stand_in(face, 256), face)
    assert face.large is not None
    outside = arms & (mask < 0.01)
    assert outside.sum() > 50
    assert np.abs(out.astype(int) - face.large)[outside].max() <= 3


def test_whole_frame_is_replaced(officer_face: AlignedFace) -> None:
    """Rims around both eyes leave nothing."""
    face = _skin_face(officer_face, 256, 0.9)
    assert face.large is not None
    assert face.points is not None
    large, rims = face.large.copy(), np.zeros((256, 256), np.uint8)
    for eye in (face.points[36:42], face.points[42:48]):
        x, y = (eye.mean(axis=0) * 2).round().astype(int)
        cv2.ellipse(rims, (int(x), int(y)), (24, 18), 0, 0, 360, 1, 4)
    large[rims > 0] = 20
    face = replace(face, crop=_shrunk(large), large=large)
    out, mask = _composed(_flat_stand_in(face, 256), face)
    assert (mask[rims > 0] > 0.5).mean() > 0.95
    assert np.quantile(out.mean(axis=2)[rims > 0], 0.05) > np.mean(SKIN) - 40


FLAT = {"grey": 90, "black": 0, "white": 255}


@pytest.mark.parametrize("level", FLAT.values(), ids=FLAT.keys())
@pytest.mark.parametrize("glasses", [0.0, 1.0])
def test_picture_without_a_face_gives_a_picture(level: int, glasses: float, bank: Portraits, officer_face: AlignedFace) -> None:
    """What it shows is for the gate to say."""
    assert officer_face.points is not None
    blank = np.full((256, 256, 3), level, np.uint8)
    face = replace(officer_face, crop=_shrunk(blank), large=blank, attributes=_attributes(glasses))
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
    face = _skin_face(officer_face, 256, 0.0)
    noise = np.random.default_rng(1).normal(0, 8, (256, 256, 1))
    grainy = np.clip(np.array(SKIN) + noise, 0, 255).astype(np.uint8)
    out, mask = _composed(_flat_stand_in(face, 256), replace(face, crop=_shrunk(grainy), large=grainy))

    def detail(picture: Image) -> float:
        grey = picture.astype(np.float32).mean(axis=2)
        return float((grey - cv2.GaussianBlur(grey, (0, 0), 1.2))[mask > 0.95].std())

    assert detail(out) == pytest.approx(detail(grainy), rel=0.3)


def test_hot_spot_on_the_seam_gives_the_face_no_cast(officer_face: AlignedFace) -> None:
    """A hand against the cheek, or a bright wall behind the jaw, changes what is near it alone."""
    face = _skin_face(officer_face, 256, 0.0)
    assert face.large is not None
    assert face.points is not None
    hot, x = face.large.copy(), round(2 * face.points[3:6, 0].mean())
    hot[:, : x + 16] = 255
    out, mask = _composed(_flat_stand_in(face, 256), replace(face, crop=_shrunk(hot), large=hot))
    nose = (face.points[27:36].mean(axis=0) * 2).round().astype(int)
    middle = np.s_[nose[1] - 12 : nose[1] + 12, nose[0] - 12 : nose[0] + 12]
    assert mask[middle].min() > 0.9
    assert np.abs(out[middle].astype(float).mean(axis=(0, 1)) - SKIN).max() < 4


def test_bridge_continues_hair_as_hair_and_skin_as_skin() -> None:
    rng = np.random.default_rng(0)
    # Upright strands, and skin below them at the right.
    photo = np.repeat(rng.integers(30, 90, (1, 128, 3), np.uint8), 128, axis=0)
    photo[:, 80:] = SKIN
    worn, line = photo.copy(), np.zeros((128, 128), bool)
    line[60:65] = True
    worn[line] = 5
    np.testing.assert_array_equal(composing._bridged(worn, line), photo)


@pytest.mark.parametrize("rise", [0.0, 0.3])
def test_line_is_the_arm_and_not_the_strands_across_it(rise: float) -> None:
    contrast = np.random.default_rng(0).uniform(0, 8, (44, 60)).astype(np.float32)
    contrast[:, ::7] = 11
    where = np.round(20 + rise * np.arange(60)).astype(int)
    for off in (-1, 0, 1):
        contrast[where + off, np.arange(60)] = 40
    found = composing._line(contrast, 2.0)
    assert found[where, np.arange(60)].all()
    assert found.sum() < 1.4 * 3 * 60
    assert not composing._line(np.minimum(contrast, 10), 2.0).any()
