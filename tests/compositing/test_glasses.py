"""Glasses are worn again as they were, or are gone: never half a pair."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing import blend, glasses
from deid.compositing.compose import compose, sketched
from deid.core.types import AlignedFace, Glasses, Image, StandIn
from deid.landmarks.glasses import are_whole

SKIN, OTHER, FRAME = (200.0, 150.0, 120.0), (150.0, 130.0, 120.0), 20
Field = NDArray[np.float32]


def _worn(face: AlignedFace, n: int, rims: int = 2, arms: bool = True, lens: float | None = None) -> tuple[AlignedFace, Field]:
    """A face of one colour with so many rims, a bridge, and arms to beyond the jaw line; lenses let so much light through."""
    assert face.points is not None
    k = n / 128
    large: NDArray[Any] = np.clip(np.random.default_rng(0).normal(SKIN, 2, (n, n, 3)), 0, 255).astype(np.uint8)
    frame, lenses = np.zeros((n, n), np.uint8), np.zeros((n, n), np.uint8)
    places = [(face.points[part].mean(axis=0) * k).round().astype(int).tolist() for part in (slice(36, 42), slice(42, 48))]
    for place in places[:rims]:
        cv2.ellipse(lenses, place, (round(12 * k), round(9 * k)), 0, 0, 360, 1, -1)
        cv2.ellipse(frame, place, (round(12 * k), round(9 * k)), 0, 0, 360, 1, round(2 * k))
    inner = [(places[0][0] + round(11 * k), places[0][1]), (places[1][0] - round(11 * k), places[1][1])]
    cv2.line(frame, inner[0], inner[1], 1, round(2 * k))
    if arms:
        for place, jaw, side in ((places[0], face.points[0], -1), (places[1], face.points[16], 1)):
            start, end = place[0] + side * round(12 * k), round((jaw[0] + side * 8) * k)
            cv2.line(frame, (start, place[1]), (end, place[1]), 1, round(2 * k))
    if lens is not None:
        large[lenses > 0] = (large[lenses > 0] * lens).astype(np.uint8)
    large[frame > 0] = FRAME
    masks = np.float32(frame), np.float32((lenses > 0) & (frame == 0))
    crop = np.asarray(cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    found = Glasses(*masks)
    return replace(face, crop=crop, large=large, glasses=replace(found, whole=are_whole(found, face.points))), masks[0]


def _composed(face: AlignedFace, n: int, wanted: bool = True) -> tuple[Image, Field]:
    assert face.points is not None
    assert face.large is not None
    new = StandIn(np.broadcast_to(np.array(OTHER, np.float32), (n, n, 3)).copy(), np.ones((128, 128), np.float32), face.points)
    crop, mask, _ = compose(new, face, wanted)
    return blend.blend_crop(crop, face.large, mask), mask


@pytest.mark.parametrize("n", [128, 256, 512])
def test_whole_pair_is_the_photos_own(n: int, officer_face: AlignedFace) -> None:
    face, frame = _worn(officer_face, n)
    out, mask = _composed(face, n)
    assert face.large is not None
    assert np.abs(out.astype(int) - face.large)[frame > 0].mean() < 12
    assert out[frame > 0].mean() < FRAME + 12
    # What lies behind the lenses is new.
    assert face.glasses is not None
    behind = cv2.erode(np.uint8(face.glasses.lenses > 0.5), np.ones((5, 5), np.uint8)) > 0
    assert mask[behind].min() > 0.9


@pytest.mark.parametrize("n", [128, 256, 512])
@pytest.mark.parametrize("rims", [0, 1])
def test_of_half_a_pair_nothing_is_left(n: int, rims: int, officer_face: AlignedFace) -> None:
    face, frame = _worn(officer_face, n, rims)
    out, mask = _composed(face, n)
    assert (mask[frame > 0] > 0.9).mean() > 0.95
    assert np.quantile(out.mean(axis=2)[frame > 0], 0.05) > np.mean(OTHER) - 40


@pytest.mark.parametrize("n", [128, 256, 512])
def test_whole_pair_that_is_taken_off_is_gone(n: int, officer_face: AlignedFace) -> None:
    face, frame = _worn(officer_face, n)
    out, mask = _composed(face, n, wanted=False)
    assert (mask[frame > 0] > 0.9).mean() > 0.95
    assert np.quantile(out.mean(axis=2)[frame > 0], 0.05) > np.mean(OTHER) - 40


@pytest.mark.parametrize("wanted", [True, False])
def test_a_sketch_shows_them_as_the_new_face_will(wanted: bool, officer_face: AlignedFace) -> None:
    face, frame = _worn(officer_face, 256)
    assert face.points is not None
    new = StandIn(np.broadcast_to(np.array(OTHER, np.float32), (128, 128, 3)).copy(), np.ones((128, 128), np.float32), face.points)
    small, _ = sketched(new, face, wanted)
    large, _ = _composed(face, 256, wanted)
    where = cv2.erode(np.uint8(cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA) > 0.9), np.ones((2, 2), np.uint8)) > 0
    shrunk = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(float) - shrunk)[where].mean() < 15
    assert (small[where].mean() < FRAME + 25) == wanted


def test_face_without_them_is_what_a_stand_in_is_fitted_to(officer_face: AlignedFace) -> None:
    face, frame = _worn(officer_face, 256)
    bare = glasses.without(face)
    assert bare.glasses is None
    assert bare.large is not None
    assert np.abs(bare.large[frame > 0].astype(float) - SKIN).mean() < 6
    assert np.abs(bare.crop.astype(float) - SKIN).mean() < 4
    plain = replace(face, glasses=None)
    assert glasses.without(plain) is plain


@pytest.mark.parametrize(("light", "dark"), [(0.3, True), (0.95, False)])
def test_dark_lenses_stay_dark(light: float, dark: bool, officer_face: AlignedFace) -> None:
    face, _ = _worn(officer_face, 256, lens=light)
    out, _ = _composed(face, 256)
    assert face.glasses is not None
    behind = cv2.erode(np.uint8(face.glasses.lenses > 0.5), np.ones((9, 9), np.uint8)) > 0
    shown, wanted = out[behind].mean(), np.mean(OTHER if not dark else np.array(SKIN) * light)
    assert shown == pytest.approx(wanted, abs=25)
    assert (shown < 70) == dark


def test_frame_beyond_the_face_is_untouched_where_it_stays(officer_face: AlignedFace) -> None:
    face, frame = _worn(officer_face, 256)
    assert face.points is not None
    assert face.large is not None
    out, _ = _composed(face, 256)
    beyond = frame > 0
    beyond[:, round(2 * face.points[0, 0]) : round(2 * face.points[16, 0])] = False
    assert beyond.sum() > 20
    np.testing.assert_array_equal(out[beyond], face.large[beyond])


def test_far_rim_that_was_not_found_is_gone_with_the_glasses(officer_face: AlignedFace) -> None:
    """In a turned head it stands out from behind the cheek, against a wall."""
    face, _ = _worn(officer_face, 256)
    assert face.large is not None
    assert face.points is not None
    assert face.glasses is not None
    points = face.points.copy()
    points[[27, 28, 29, 30, 31, 32, 33, 34, 35], 0] = points[16, 0] - 14
    large = face.large.copy()
    border = round(2 * points[16, 0])
    large[:, border:] = (60, 90, 60)
    rows = np.flatnonzero((face.glasses.lenses[:, 128:] > 0.5).any(axis=1))
    rim = np.s_[rows[0] : rows[-1] + 1, border + 8 : border + 12]
    large[rim] = FRAME
    frame = face.glasses.frame.copy()
    frame[:, border:] = 0
    turned = replace(face, large=large, points=points, glasses=replace(face.glasses, frame=frame))
    out, _ = _composed(turned, 256, wanted=False)
    assert np.abs(out[rim].astype(float) - (60, 90, 60)).mean() < 12
    straight = replace(turned, points=face.points)
    kept, _ = _composed(straight, 256, wanted=False)
    np.testing.assert_array_equal(kept[rim], large[rim])


def test_specks_behind_a_turned_head_stay(officer_face: AlignedFace) -> None:
    """They are no rim; corners of what is behind a head became dark dots beside it."""
    face, _ = _worn(officer_face, 256)
    assert face.large is not None
    assert face.points is not None
    assert face.glasses is not None
    points, large, frame = face.points.copy(), face.large.copy(), face.glasses.frame.copy()
    points[27:36, 0] = points[16, 0] - 14
    border = round(2 * points[16, 0])
    large[:, border:], frame[:, border:] = (60, 90, 60), 0
    rows = np.flatnonzero((face.glasses.lenses[:, 128:] > 0.5).any(axis=1))
    specks = np.s_[rows[0] : rows[-1] : 9, border + 9 : border + 11]
    large[specks] = FRAME
    turned = replace(face, large=large, points=points, glasses=replace(face.glasses, frame=frame))
    out, _ = _composed(turned, 256, wanted=False)
    beside = np.s_[rows[0] : rows[-1] + 1, border + 8 : border + 12]
    np.testing.assert_array_equal(out[beside], large[beside])


def test_frames_and_dark_lenses_hide_a_face(officer_face: AlignedFace) -> None:
    assert not glasses.under_glasses(officer_face).any()
    clear, dark = (_worn(officer_face, 256, lens=light)[0] for light in (0.95, 0.3))
    eye = tuple(np.asarray(clear.points)[36:42].mean(axis=0).round().astype(int)[::-1])
    hidden = [glasses.under_glasses(face) for face in (clear, dark)]
    assert [bool(h[eye]) for h in hidden] == [False, True]
    assert all(100 < h.sum() < 4000 for h in hidden)
