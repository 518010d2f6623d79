"""What a portrait hides of its face is filled with the skin around it."""

import tracemalloc

import cv2
import numpy as np
import pytest

from deid.compositing.fill import continued, surrounded, without_hair
from deid.core.types import StandIn

SKIN = np.array([200.0, 150.0, 120.0], np.float32)


def _shaded(n: int) -> np.ndarray:
    """Skin that is lit from one side."""
    return (SKIN + 40 * (np.arange(n, dtype=np.float32) / n - 0.5)[None, :, None] * np.ones((n, 1, 1))).astype(np.float32)


@pytest.mark.parametrize("n", [128, 256, 384])
def test_strand_of_hair_becomes_skin_and_the_rest_stays(n: int) -> None:
    face, k = _shaded(n), n // 128
    face[:, 20 * k : 30 * k] = 15
    visible = np.ones((128, 128), np.float32)
    visible[:, 20:30] = 0
    small = np.ascontiguousarray(face[k // 2 :: k, k // 2 :: k])
    out = without_hair(StandIn(face, visible, np.zeros((68, 2))), small)
    assert np.abs(out - _shaded(n))[8 * k : -8 * k, 20 * k : 30 * k].max() < 12
    np.testing.assert_array_equal(out[:, 40 * k :], face[:, 40 * k :])


def test_hair_beside_a_brow_becomes_skin_and_not_brow() -> None:
    points = np.zeros((68, 2))
    points[17:22] = np.column_stack([np.linspace(30, 60, 5), np.full(5, 50.0)])
    face = np.full((128, 128, 3), SKIN, np.float32)
    face[47:54, 30:61] = 20
    face[40:60, 10:27] = 15
    visible = np.ones((128, 128), np.float32)
    visible[40:60, 10:27] = 0
    out = without_hair(StandIn(face, visible, points), face)
    assert np.abs(out - SKIN)[40:60, 10:25].max() < 20
    np.testing.assert_allclose(out[48:53, 32:58], 20, atol=1)


def test_face_of_which_all_is_seen_stays() -> None:
    face = np.random.default_rng(0).uniform(0, 255, (128, 128, 3)).astype(np.float32)
    out = without_hair(StandIn(face, np.ones((128, 128), np.float32), np.zeros((68, 2))), face)
    np.testing.assert_allclose(out, face, atol=1e-3)


def test_what_is_known_stays_and_one_colour_goes_on() -> None:
    image = np.full((128, 128, 3), 90.0, np.float32)
    known = np.zeros((128, 128), np.float32)
    known[50:80, 50:80] = 1
    image[known == 0] = 255
    np.testing.assert_allclose(continued(image, known), 90, atol=0.5)


def test_nothing_known_gives_numbers() -> None:
    assert np.isfinite(continued(np.full((128, 128, 3), 9.0, np.float32), np.zeros((128, 128), np.float32))).all()


@pytest.fixture
def street() -> tuple[np.ndarray, np.ndarray]:
    """A photo of noise that is dark on the left and bright on the right, and what of it is hidden."""
    rng = np.random.default_rng(0)
    photo = np.clip(rng.normal(np.linspace(60, 200, 90)[None, :, None], 8, (70, 90, 3)), 0, 255).astype(np.uint8)
    hidden = np.zeros((70, 90), bool)
    hidden[15:50, 30:60] = True
    return photo, hidden


def test_cover_shows_nothing_of_what_it_hides(street: tuple[np.ndarray, np.ndarray]) -> None:
    photo, hidden = street
    colour = np.array([120.0, 90.0, 70.0], np.float32)
    other = photo.copy()
    other[hidden] = 255 - other[hidden]
    out = surrounded(colour, photo, hidden)
    np.testing.assert_array_equal(out[hidden], surrounded(colour, other, hidden)[hidden])
    np.testing.assert_array_equal(out[~hidden], photo[~hidden])


def test_cover_has_its_colour_in_the_middle_and_no_edge(street: tuple[np.ndarray, np.ndarray]) -> None:
    photo, hidden = street
    out = surrounded(np.array([250.0, 20.0, 20.0], np.float32), photo, hidden).astype(float)
    np.testing.assert_allclose(out[32, 45], [250, 20, 20], atol=1)
    # From noise to what continues it.
    assert np.abs(out[20:45, 30].mean(axis=0) - photo[20:45, 29].mean(axis=0)).max() < 12
    assert np.abs(out[20:45, 59].mean(axis=0) - photo[20:45, 60].mean(axis=0)).max() < 12


def test_cover_of_all_of_a_photo_is_one_colour() -> None:
    out = surrounded(np.array([9.0, 8.0, 7.0], np.float32), np.full((5, 9, 3), 200, np.uint8), np.ones((5, 9), bool))
    np.testing.assert_array_equal(out, np.broadcast_to([9, 8, 7], (5, 9, 3)))


def test_large_cover_takes_a_few_times_its_photo_and_looks_like_a_small_one() -> None:
    small = np.clip(np.linspace(40, 220, 150)[None, :, None] * np.array([1.0, 0.8, 0.6]), 0, 255) * np.ones((150, 1, 1))
    photo = np.asarray(cv2.resize(small.astype(np.uint8), (2100, 2100), interpolation=cv2.INTER_CUBIC), np.uint8)
    hidden = np.zeros((2100, 2100), bool)
    hidden[525:1575, 525:1575] = True
    colour = np.array([90.0, 60.0, 50.0], np.float32)
    tracemalloc.start()
    large = surrounded(colour, photo, hidden)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * photo.nbytes
    expected = surrounded(colour, np.ascontiguousarray(photo[::14, ::14]), np.ascontiguousarray(hidden[::14, ::14]))
    np.testing.assert_allclose(large[7::14, 7::14].astype(int), expected, atol=14)
    # From each place to the next there is no step.
    assert np.abs(np.diff(large[1050].astype(int), axis=0)).max() <= 3
    np.testing.assert_array_equal(large[~hidden], photo[~hidden])
