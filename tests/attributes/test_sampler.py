"""The gender trick: the first pass leaves the subject's side, the second returns to it."""

import numpy as np
import pytest

from deid.attributes.sampler import RANGE, UNTOUCHED, named, sample_sets
from deid.models.attgan import ATTRIBUTES, N_CODES

N = 4000


def _column(sets: np.ndarray, name: str) -> np.ndarray:
    return sets[:, ATTRIBUTES.index(name)]


SIGNS = {
    "man": (True, {"Male": -1, "Mustache": -1, "No_Beard": 1}),
    "woman": (False, {"Male": 1, "Mustache": 1, "No_Beard": -1}),
}


@pytest.mark.parametrize(("male", "signs"), SIGNS.values(), ids=SIGNS.keys())
def test_first_pass_lies_on_the_other_side(male: bool, signs: dict[str, int]) -> None:
    sets = sample_sets(male, N, np.random.default_rng(0))
    for name, sign in signs.items():
        assert (_column(sets, name) * sign >= 0).all(), name
        assert (_column(sets, name) != 0).any(), name


def test_gender_is_asked_of_women_in_full() -> None:
    column = ATTRIBUTES.index("Male")
    women, men = (sample_sets(male, 50, np.random.default_rng(1))[:, column] for male in (False, True))
    np.testing.assert_allclose(women, RANGE, rtol=1e-6)
    faint, strong = (sample_sets(False, 50, np.random.default_rng(1), strength)[:, column] for strength in (0.5, 1.5))
    np.testing.assert_allclose(faint, RANGE, rtol=1e-6)
    np.testing.assert_allclose(strong, 1.5 * RANGE, rtol=1e-6)
    assert -RANGE <= men.min() < -0.9 * RANGE
    assert -0.1 * RANGE < men.max() < 0


def test_hair_glasses_and_expression_stay() -> None:
    sets = sample_sets(True, N, np.random.default_rng(0))
    assert set(UNTOUCHED) == {"Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Eyeglasses", "Mouth_Slightly_Open", "Pale_Skin"}
    for name in UNTOUCHED:
        assert (_column(sets, name) == 0).all()


def test_the_rest_goes_both_ways_over_its_whole_range() -> None:
    sets = sample_sets(False, N, np.random.default_rng(0))
    for name in set(ATTRIBUTES) - set(UNTOUCHED) - {"Male", "Mustache", "No_Beard"}:
        limit = 1.1
        values = _column(sets, name)
        assert limit * 0.98 < values.max() <= limit, name
        assert -limit <= values.min() < -limit * 0.98, name
        assert abs(values.mean()) < 0.05, name


@pytest.mark.parametrize("male", [True, False])
def test_some_new_men_wear_beards(male: bool) -> None:
    """The second pass inverts the set: a moustache or a beard on some men and on no woman."""
    shown = -sample_sets(male, N, np.random.default_rng(2))
    assert (_column(shown, "Mustache") > 0.5).mean() == pytest.approx(0.15 * male, abs=0.03)
    assert (_column(shown, "No_Beard") < -0.5).mean() == pytest.approx(0.25 * male, abs=0.03)


@pytest.mark.parametrize("strength", [0.5, 1.0, 1.5])
def test_strength_widens_every_range(strength: float) -> None:
    sets = sample_sets(True, N, np.random.default_rng(1), strength)
    plain = sample_sets(True, N, np.random.default_rng(1))
    np.testing.assert_allclose(sets[:, :13], plain[:, :13] * strength, rtol=1e-5)
    assert np.abs(sets[:, :13]).max() <= RANGE * strength + 1e-6


def test_codes_are_new_people_equally_far_from_the_average() -> None:
    codes = sample_sets(True, N, np.random.default_rng(1), strength=1.5)[:, 13:]
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), np.sqrt(N_CODES), rtol=1e-5)
    assert np.abs(codes.mean(axis=0)).max() < 0.06
    directions = codes[:200] / np.sqrt(N_CODES)
    between = (directions @ directions.T)[np.triu_indices(200, 1)]
    assert abs(between.mean()) < 0.01
    assert between.max() < 0.95


def test_shape_and_type() -> None:
    for n in (0, 1, 16):
        sets = sample_sets(True, n, np.random.default_rng(0))
        assert sets.shape == (n, 13 + N_CODES)
        assert sets.dtype == np.float32


def test_randomness_comes_from_the_generator_alone() -> None:
    one, two, three = (sample_sets(True, 3, np.random.default_rng(s)) for s in (5, 5, 6))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


def test_named_leaves_zeros_out() -> None:
    values = np.zeros(13 + N_CODES, np.float32)
    values[ATTRIBUTES.index("Young")] = -0.5
    assert named(values) == {"Young": -0.5}
    names = set(named(sample_sets(True, 1, np.random.default_rng(0))[0]))
    rare = {"Mustache", "No_Beard"}
    assert names | rare == set(ATTRIBUTES) - set(UNTOUCHED) | {f"identity_{i}" for i in range(N_CODES)}
