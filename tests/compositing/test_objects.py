"""What stands before a face stays there, and nothing of a new face is fitted to it."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing import blend
from deid.compositing.compose import compose
from deid.compositing.glasses import without
from deid.compositing.objects import seen
from deid.core.types import AlignedFace, Glasses, Image, StandIn

SKIN, OTHER, OBJECT = (200.0, 150.0, 120.0), (150.0, 130.0, 120.0), (20, 60, 20)
Field = NDArray[np.float32]


def _behind(face: AlignedFace, n: int) -> tuple[AlignedFace, Field]:
    """A face of one colour with a bar from below the chin to the nose before it, and where that is."""
    assert face.points is not None
    k = n / 128
    large: NDArray[Any] = np.clip(np.random.default_rng(0).normal(SKIN, 2, (n, n, 3)), 0, 255).astype(np.uint8)
    bar = np.zeros((n, n), np.float32)
    x, y = (face.points[33] * k).round().astype(int)
    bar[y:, x - round(8 * k) : x + round(8 * k)] = 1
    large[bar > 0] = OBJECT
    crop = np.asarray(cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    return replace(face, crop=crop, large=large, glasses=None, objects=bar), bar


def _composed(face: AlignedFace, n: int) -> tuple[Image, Field]:
    assert face.points is not None
    assert face.large is not None
    new = StandIn(np.broadcast_to(np.array(OTHER, np.float32), (n, n, 3)).copy(), np.ones((128, 128), np.float32), face.points)
    crop, mask, _ = compose(new, face)
    return blend.blend_crop(crop, face.large, mask), mask


@pytest.mark.parametrize("n", [128, 256, 512])
def test_it_is_the_photos_own_and_the_face_beside_it_is_new(n: int, officer_face: AlignedFace) -> None:
    face, bar = _behind(officer_face, n)
    out, mask = _composed(face, n)
    assert face.large is not None
    np.testing.assert_array_equal(out[bar > 0], face.large[bar > 0])
    assert face.points is not None
    core = cv2.resize(blend.features(face.points), (n, n), interpolation=cv2.INTER_NEAREST) > 0
    assert mask[core & (bar == 0)].min() > 0.9


@pytest.mark.parametrize("n", [128, 256])
def test_without_any_found_all_of_the_face_is_new(n: int, officer_face: AlignedFace) -> None:
    face, bar = _behind(officer_face, n)
    _, mask = _composed(replace(face, objects=None), n)
    assert face.points is not None
    core = cv2.resize(blend.features(face.points), (n, n), interpolation=cv2.INTER_NEAREST) > 0
    assert mask[core & (bar > 0)].min() > 0.9


@pytest.mark.parametrize("n", [128, 256])
def test_no_colour_or_light_is_read_from_it(n: int, officer_face: AlignedFace) -> None:
    face, bar = _behind(officer_face, n)
    plain: NDArray[Any] = np.clip(np.random.default_rng(0).normal(SKIN, 2, (n, n, 3)), 0, 255).astype(np.uint8)
    crop = np.asarray(cv2.resize(plain, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    out, mask = _composed(face, n)
    wanted, _ = _composed(replace(face, crop=crop, large=plain, objects=None), n)
    beside = (mask > 0.9) & (bar == 0)
    # Smoothed: grain is drawn, and not the same.
    a, b = (
        cv2.GaussianBlur(image.astype(np.float32), (0, 0), 3 * n / 128)
        for image in (np.where(bar[..., None] > 0, 0, x) for x in (out, wanted))
    )
    assert np.abs(a - b)[beside].max() < 6


def test_face_goes_on_where_it_was(officer_face: AlignedFace) -> None:
    face, bar = _behind(officer_face, 256)
    clear = without(face)
    assert clear.objects is None
    assert clear.large is not None
    assert np.abs(clear.large[bar > 0].astype(float) - SKIN).max() < 20
    hidden = cv2.resize(bar, (128, 128), interpolation=cv2.INTER_AREA) > 0.2
    assert not seen(face)[hidden].any()
    assert seen(clear).all()


def test_glasses_behind_it_are_gone_as_well(officer_face: AlignedFace) -> None:
    face, _ = _behind(officer_face, 128)
    frame = np.zeros((128, 128), np.float32)
    frame[50:54, 30:98] = 1
    clear = without(replace(face, glasses=Glasses(frame, np.zeros_like(frame))))
    assert clear.glasses is None
    assert clear.objects is None
