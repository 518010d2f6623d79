"""The rest of a forehead: its lines go, its grain and all around it stay."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing.forehead import calmed
from deid.core.types import AlignedFace

Field = NDArray[np.float32]
SKIN = (200.0, 150.0, 120.0)


def _plain(face: AlignedFace, n: int = 256) -> AlignedFace:
    """A face of one colour with the landmarks of another one, and grain."""
    large = np.clip(np.random.default_rng(0).normal(SKIN, 4, (n, n, 3)), 0, 255).astype(np.uint8)
    return _with(face, large)


def _with(face: AlignedFace, large: NDArray[np.uint8]) -> AlignedFace:
    small = np.asarray(cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    return replace(face, crop=small, large=large)


def _mask(face: AlignedFace, n: int) -> Field:
    """(n, n): 1 on the features and a little above the brows."""
    assert face.points is not None
    mask: NDArray[Any] = np.zeros((n, n), np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(face.points[17:] * n / 128).astype(np.int32)), 1.0)
    return np.asarray(cv2.GaussianBlur(cv2.dilate(mask, np.ones((9, 9), np.uint8)), (0, 0), 2.0), np.float32)


def _above(face: AlignedFace, n: int) -> tuple[slice, slice]:
    """Of the forehead, its middle."""
    assert face.points is not None
    y, x, k = face.points[17:27, 1].min(), face.points[27, 0], n / 128
    return slice(round((y - 18) * k), round((y - 8) * k)), slice(round((x - 12) * k), round((x + 12) * k))


def _lined(face: AlignedFace) -> AlignedFace:
    assert face.large is not None
    large, (rows, columns) = face.large.copy(), _above(face, face.large.shape[0])
    for y in range(rows.start, rows.stop, 12):
        large[y : y + 6, columns] = (large[y : y + 6, columns] * 0.85).astype(np.uint8)
    return _with(face, large)


def _shown(face: AlignedFace) -> Field:
    assert face.large is not None
    new = np.broadcast_to(np.array(SKIN, np.float32), face.large.shape).copy()
    crop, mask = calmed(new, _mask(face, face.large.shape[0]), face)
    return np.asarray(face.large + mask[..., None] * (crop - face.large), np.float32)


def _lines(picture: NDArray[Any], face: AlignedFace) -> float:
    part = cv2.GaussianBlur(np.asarray(picture, np.float32), (0, 0), 1.5)[_above(face, picture.shape[0])]
    return float(part.mean(axis=(1, 2)).std())


def test_lines_of_the_forehead_go(woman_face: AlignedFace) -> None:
    lined = _lined(_plain(woman_face))
    assert lined.large is not None
    assert _lines(_shown(lined), lined) < 0.3 * _lines(lined.large, lined)


def test_grain_of_the_forehead_stays(woman_face: AlignedFace) -> None:
    plain = _plain(woman_face)
    assert plain.large is not None
    part = _above(plain, plain.large.shape[0])
    before, after = (float((x - cv2.GaussianBlur(x, (0, 0), 0.8))[part].std()) for x in (plain.large.astype(np.float32), _shown(plain)))
    assert after == pytest.approx(before, rel=0.25)


def test_nothing_changes_below_the_brows_and_in_the_hair(woman_face: AlignedFace) -> None:
    plain = _plain(woman_face)
    assert plain.points is not None
    assert plain.large is not None
    large = plain.large.copy()
    hair = round((plain.points[17:27, 1].min() - 12) * 2)
    large[:hair] = (30, 25, 20)
    face, new = _with(plain, large), np.broadcast_to(np.array(SKIN, np.float32), large.shape).copy()
    mask = _mask(face, large.shape[0])
    alpha = calmed(new, mask, face)[1]
    np.testing.assert_array_equal(alpha[: hair - 4], mask[: hair - 4])
    low = round((plain.points[17:27, 1].max() + 4) * 2)
    np.testing.assert_array_equal(alpha[low:], mask[low:])


def test_wall_of_the_colour_of_skin_beside_the_head_stays(woman_face: AlignedFace) -> None:
    """A wide hull over the brows reached it, and the smoothed wall showed as a ghost of a second head."""
    plain = _plain(woman_face)
    assert plain.points is not None
    assert plain.large is not None
    mask = _mask(plain, plain.large.shape[0])
    alpha = calmed(np.asarray(plain.large, np.float32), mask, plain)[1]
    beside = [slice(None, round(2 * (plain.points[0, 0] - 6))), slice(round(2 * (plain.points[16, 0] + 6)), None)]
    for columns in beside:
        assert (alpha - mask)[:, columns].max() < 0.1


def test_strand_of_fair_hair_over_the_forehead_stays(woman_face: AlignedFace) -> None:
    """What would change by much is no line of the skin."""
    plain = _plain(woman_face)
    assert plain.large is not None
    large, (rows, columns) = plain.large.copy(), _above(plain, plain.large.shape[0])
    strand = (rows, slice(columns.start + 18, columns.start + 30))
    large[strand] = (large[strand] * 0.65).astype(np.uint8)
    face = _with(plain, large)
    assert _shown(face)[strand].mean() == pytest.approx(large[strand].mean(), abs=16)


@pytest.mark.parametrize("where", [(64.0, 64.0), (-40.0, 200.0)])
def test_landmarks_in_one_point_give_no_broken_numbers(where: tuple[float, float], woman_face: AlignedFace) -> None:
    face = replace(_plain(woman_face), points=np.tile(np.array(where), (68, 1)))
    assert np.isfinite(_shown(face)).all()


def test_hair_of_the_skins_colour_stays_as_it_is(woman_face: AlignedFace) -> None:
    """Blond or grey strands that come down from the hairline are no forehead: smoothed, they look embossed."""
    plain = _plain(woman_face)
    assert plain.large is not None
    assert plain.points is not None
    large, low = plain.large.copy(), round((plain.points[17:27, 1].min() - 10) * 2)
    strands = np.where(np.arange(large.shape[1]) // 4 % 2, 1.0, 0.84)[None, :, None]
    large[:low] = np.clip(large[:low] * strands, 0, 255).astype(np.uint8)
    face = _with(plain, large)
    out = _shown(face)
    assert np.abs(out - large)[: low - 12].mean() < 1.0
