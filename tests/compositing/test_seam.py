"""The seam closes around the face, runs where both pictures agree, and its colours meet the photo's."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing import seam
from deid.compositing.seam import Seam, find_seam, membrane
from deid.core.types import AlignedFace, StandIn

Field = NDArray[np.float32]
SKIN = (200.0, 150.0, 120.0)


@pytest.fixture(scope="module")
def points(officer_face: AlignedFace) -> NDArray[np.float64]:
    assert officer_face.points is not None
    return officer_face.points


def _flat(colour: tuple[float, float, float] = SKIN) -> Field:
    return np.broadcast_to(np.array(colour, np.float32), (128, 128, 3)).copy()


def _found(new: Field, old: Field, points: NDArray[np.float64], visible: Field | None = None) -> Seam:
    shown = np.ones((128, 128), np.float32) if visible is None else visible
    return find_seam(new, old, points, StandIn(new, shown, points))


def _filled(path: NDArray[np.float64]) -> NDArray[np.bool_]:
    mask: NDArray[Any] = np.zeros((128, 128), np.uint8)
    cv2.fillPoly(mask, [np.round(path).astype(np.int32)], 1)
    return mask > 0


def _ring(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], Field, Field]:
    """The middle of a face, how far each pixel lies from it, and in which direction."""
    centre = points[27:36].mean(axis=0)
    y, x = np.mgrid[:128, :128].astype(np.float32)
    return centre, np.hypot(x - centre[0], y - centre[1]), np.arctan2(y - centre[1], x - centre[0])


PHOTOS: dict[str, Any] = {
    "the same colour": lambda rng: (_flat(), _flat()),
    "another colour": lambda rng: (_flat((120, 80, 60)), _flat()),
    "noise": lambda rng: tuple(rng.uniform(0, 255, (128, 128, 3)).astype(np.float32) for _ in range(2)),
    "black": lambda rng: (_flat((0, 0, 0)), _flat((0, 0, 0))),
}


@pytest.mark.parametrize("make", PHOTOS.values(), ids=PHOTOS.keys())
def test_path_is_closed_and_lies_between_the_features_and_the_jaw(make: Any, points: NDArray[np.float64]) -> None:
    found = _found(*make(np.random.default_rng(0)), points)
    steps = np.linalg.norm(np.roll(found.path, -1, axis=0) - found.path, axis=1)
    # From the last point back to the first one, too.
    assert steps.max() < 9
    inside = _filled(found.path)
    for x, y in points[17:].round().astype(int):
        assert inside[y, x], (x, y)
    centre, _, _ = _ring(points)
    turned = np.unwrap(np.arctan2(*(found.path - centre).T[::-1]))
    assert (np.diff(turned) > 0).all()
    assert np.ptp(turned) == pytest.approx(2 * np.pi, rel=0.05)
    jaw = cv2.convexHull(points[:17].astype(np.float32))
    low = found.path[found.path[:, 1] > points[30, 1]]
    assert all(cv2.pointPolygonTest(jaw, (float(x), float(y)), True) > -2.5 for x, y in low)


def test_mask_is_full_on_the_features_and_nothing_beyond_the_path(points: NDArray[np.float64]) -> None:
    found = _found(_flat(), _flat(), points)
    assert found.mask.min() >= 0
    assert found.mask.max() <= 1 + 1e-6
    for x, y in points[27:].round().astype(int):
        assert found.mask[y, x] > 0.95
    beyond = ~(cv2.dilate(_filled(found.path).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)
    assert beyond.mean() > 0.3
    assert found.mask[beyond].max() < 0.01
    assert np.concatenate([found.mask[0], found.mask[-1], found.mask[:, 0], found.mask[:, -1]]).max() < 1e-3


@pytest.mark.parametrize("half", [1, -1], ids=["below", "above"])
def test_path_prefers_where_both_agree(half: int, points: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripes in the outer part of one half of the new face push the path inward there, and there alone.

    At a low price of the way inward: the shipped one keeps the path outside unless hair is in its way.
    """
    monkeypatch.setattr(seam, "_OUTWARD", 20.0)
    centre, far, angle = _ring(points)
    plain = _found(_flat(), _flat(), points)
    radius = np.linalg.norm(plain.path - centre, axis=1)
    turned = half * np.arctan2(*(plain.path - centre).T[::-1])
    rough = radius[(turned > 1.0) & (turned < 2.1)].min() - 5
    stripes = 110 * np.sign(np.sin(np.arange(128) * 1.3))[None, :, None]
    grey = _flat((128, 128, 128))
    new = np.where(((far > rough) & (half * angle > 0))[..., None], grey + stripes, grey).astype(np.float32)
    found = np.linalg.norm(_found(new, grey, points).path - centre, axis=1)
    middle, other = (turned > 1.0) & (turned < 2.1), (turned < -1.0) & (turned > -2.1)
    assert (found[middle] < radius[middle] - 2).mean() > 0.9
    # Without a reason it runs as far outside as it may.
    np.testing.assert_allclose(found[other], radius[other], atol=1.5)


def test_path_stays_before_hair(points: NDArray[np.float64]) -> None:
    """Hair of the portrait over the forehead is left out, and what lies behind the first of it."""
    visible = np.ones((128, 128), np.float32)
    edge = int(points[17:27, 1].min()) - 5
    visible[:edge] = 0
    plain, found = _found(_flat(), _flat(), points), _found(_flat(), _flat(), points, visible)
    assert plain.path[:, 1].min() < edge - 4
    assert found.path[:, 1].min() > edge - 2
    # A band of skin beyond it does not help.
    visible[: edge - 4] = 1
    again = _found(_flat(), _flat(), points, visible)
    assert again.path[:, 1].min() > edge - 3


def test_fit_tells_agreement_from_disagreement(points: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 255, (128, 128, 3)).astype(np.float32)
    agree, shifted, rough = (_found(new, _flat(), points).fit.value for new in (_flat(), _flat((90, 70, 60)), noise))
    assert agree == pytest.approx(1.0, abs=0.01)
    # A constant is taken away by the membrane.
    assert shifted == pytest.approx(agree, abs=0.01)
    assert 0 < rough < 0.7


def test_face_that_is_hidden_where_it_must_show_does_not_fit(points: NDArray[np.float64]) -> None:
    visible = np.ones((128, 128), np.float32)
    centre = points[27:36].mean(axis=0)
    visible[:, : int(centre[0])] = 0
    assert _found(_flat(), _flat(), points, visible).fit.value < 0.3
    visible[:] = 1
    visible[int(centre[1]) - 6 : int(centre[1]) + 6, int(centre[0]) - 6 : int(centre[0]) + 6] = 0
    assert 0 < _found(_flat(), _flat(), points, visible).fit.value < 0.95


@pytest.mark.parametrize("where", [(5.0, 5.0), (64.0, 64.0), (-40.0, 200.0)])
def test_landmarks_that_make_no_face_give_numbers(where: tuple[float, float]) -> None:
    found = _found(_flat(), _flat((90, 90, 90)), np.tile(np.array(where), (68, 1)))
    assert np.isfinite(found.path).all()
    assert np.isfinite(found.mask).all()
    assert np.isfinite(membrane(_flat(), _flat((90, 90, 90)), found)).all()


def _seam(path: NDArray[np.float64], on_skin: NDArray[np.float64] | None = None) -> Seam:
    return Seam(path, np.zeros((128, 128), np.float32), 1.0, np.ones(len(path)) if on_skin is None else on_skin)


def _circle(radius: float, n: int = 96) -> NDArray[np.float64]:
    angle = np.linspace(-np.pi, np.pi, n, endpoint=False)
    return np.array([63.5, 63.5]) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@pytest.mark.parametrize("off", [(0.0, 0.0, 0.0), (20.0, -15.0, 5.0), (90.0, 90.0, 90.0)])
def test_membrane_of_a_constant_is_that_constant(off: tuple[float, float, float]) -> None:
    new = np.random.default_rng(0).uniform(20, 120, (128, 128, 3)).astype(np.float32)
    added = membrane(new, new + np.array(off, np.float32), _seam(_circle(40)))
    np.testing.assert_allclose(added[30:98, 30:98], np.broadcast_to(off, (68, 68, 3)), atol=0.5)


def test_membrane_of_a_slope_is_that_slope() -> None:
    """Mean-value coordinates reproduce what is linear."""
    new, slope = _flat(), np.linspace(-15, 15, 128, dtype=np.float32)[None, :, None] * np.ones((128, 1, 3), np.float32)
    added = membrane(new, new + slope, _seam(_circle(40)))
    assert np.abs(added - slope)[34:94, 34:94].max() < 2.0


def test_membrane_brings_no_features_back() -> None:
    """What differs inside, away from the path, says nothing."""
    new, old = _flat(), _flat()
    old[50:70, 40:88] = 20
    assert np.abs(membrane(new, old, _seam(_circle(45)))).max() < 1.0


def test_hat_on_the_path_does_not_darken_the_face() -> None:
    new, old = _flat(), _flat()
    old[:30] = 10
    assert np.abs(membrane(new, old, _seam(_circle(40)))[50:]).max() < 12


def test_hair_that_meets_the_seam_is_no_shadow() -> None:
    new, old, path = _flat(), _flat(), _circle(40)
    old[:60] -= 25
    shown = membrane(new, old, _seam(path, (path[:, 1] > 64).astype(float)))
    assert np.abs(shown[30:98, 40:88]).max() < 3
    assert np.abs(membrane(new, old, _seam(path)))[30:60, 40:88].max() > 15


@pytest.mark.parametrize("n", [8, 48, 95])
def test_mean_value_weights_sum_to_one(n: int) -> None:
    rng = np.random.default_rng(n)
    path = _circle(35, n) + rng.uniform(-2, 2, (n, 2))
    grid = np.stack(np.meshgrid(np.linspace(45, 82, 9), np.linspace(45, 82, 9)), axis=-1).reshape(-1, 2)
    weights = seam._mean_value(grid, path)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-9)
    # They place each point between the path's.
    np.testing.assert_allclose(weights @ path, grid, atol=1e-6)


def test_cheapest_way_is_the_cheapest() -> None:
    """Against every other way through small costs, and it closes."""
    rng = np.random.default_rng(0)
    valley = 8 + 5 * np.sin(np.linspace(0, 2 * np.pi, 40, endpoint=False))
    cost = np.abs(np.arange(24)[None] - valley[:, None]) + rng.uniform(0, 0.1, (40, 24))
    way = seam._cheapest(cost)
    assert way.shape == (40,)
    np.testing.assert_allclose(way, valley, atol=1.5)
    assert np.abs(np.diff(way, append=way[:1])).max() <= 2


def test_stand_in_with_other_features_is_held_too(points: NDArray[np.float64]) -> None:
    """Brows and lips of the new face that lie farther out are inside."""
    wide = points.copy()
    wide[48:60] += np.sign(wide[48:60] - wide[48:60].mean(axis=0)) * 3
    stand_in = StandIn(_flat(), np.ones((128, 128), np.float32), wide)
    inside = _filled(find_seam(_flat(), _flat(), points, stand_in).path)
    assert all(inside[round(y), round(x)] for x, y in wide[17:].tolist())
