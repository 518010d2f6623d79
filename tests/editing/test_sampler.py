"""The gender trick: the first pass leaves the subject's side, the second returns to it; and each row names its stand-in."""

import numpy as np
import pytest

from deid.core.attributes import ATTRIBUTES
from deid.editing.sampler import (
    MIX,
    RANGE,
    SET_SIZE,
    UNTOUCHED,
    named,
    portraits_of,
    sample_sets,
    sample_shares,
    with_portraits,
    without_portraits,
)

N = 4000


def _column(sets: np.ndarray, name: str) -> np.ndarray:
    return sets[:, ATTRIBUTES.index(name)]


@pytest.mark.parametrize(("male", "sign"), [(True, -1), (False, 1)], ids=["man", "woman"])
def test_first_pass_lies_on_the_other_side(male: bool, sign: int) -> None:
    column = _column(sample_sets(male, N, np.random.default_rng(0)), "Male") * sign
    assert column.min() >= 0
    assert column.max() == pytest.approx(RANGE, rel=1e-2)


def test_gender_is_asked_of_women_in_full() -> None:
    column = ATTRIBUTES.index("Male")
    women, men = (sample_sets(male, 50, np.random.default_rng(1))[:, column] for male in (False, True))
    np.testing.assert_allclose(women, RANGE, rtol=1e-6)
    faint, strong = (sample_sets(False, 50, np.random.default_rng(1), strength)[:, column] for strength in (0.5, 1.5))
    np.testing.assert_allclose(faint, RANGE, rtol=1e-6)
    np.testing.assert_allclose(strong, 1.5 * RANGE, rtol=1e-6)
    assert -RANGE <= men.min() < -0.9 * RANGE
    assert -0.1 * RANGE < men.max() < 0


def test_hair_glasses_beards_expression_and_age_stay() -> None:
    assert set(ATTRIBUTES) - set(UNTOUCHED) == {"Bushy_Eyebrows", "Male"}
    for male in (True, False):
        sets = sample_sets(male, N, np.random.default_rng(0))
        for name in UNTOUCHED:
            assert (_column(sets, name) == 0).all(), name


def test_the_rest_goes_both_ways_over_its_whole_range() -> None:
    sets = sample_sets(False, N, np.random.default_rng(0))
    for name in set(ATTRIBUTES) - set(UNTOUCHED) - {"Male"}:
        limit = 1.1
        values = _column(sets, name)
        assert limit * 0.98 < values.max() <= limit, name
        assert -limit <= values.min() < -limit * 0.98, name
        assert abs(values.mean()) < 0.05, name


@pytest.mark.parametrize("strength", [0.5, 1.0, 1.5])
def test_strength_widens_every_range(strength: float) -> None:
    sets = sample_sets(True, N, np.random.default_rng(1), strength)
    plain = sample_sets(True, N, np.random.default_rng(1))
    np.testing.assert_allclose(sets, plain * strength, rtol=1e-5)
    assert np.abs(sets).max() <= RANGE * strength + 1e-6


def test_shape_and_type() -> None:
    for n in (0, 1, 16):
        sets = sample_sets(True, n, np.random.default_rng(0))
        assert sets.shape == (n, len(ATTRIBUTES))
        assert sets.dtype == np.float32


def test_randomness_comes_from_the_generator_alone() -> None:
    one, two, three = (sample_sets(True, 3, np.random.default_rng(s)) for s in (5, 5, 6))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_shares_sum_to_one_and_the_first_is_the_largest(n: int) -> None:
    drawn = np.stack([sample_shares(np.random.default_rng(seed), n) for seed in range(200)])
    assert drawn.shape == (200, n)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.sum(axis=1), 1, rtol=1e-6)
    assert (drawn[:, :1] >= drawn).all()
    assert drawn.min() > 0
    # A mix is no copy of its first portrait.
    assert n == 1 or drawn[:, 0].max() <= 0.7


MIXES: dict[str, tuple[list[int], list[float]]] = {
    "two": ([7, 1200], [0.6, 0.4]),
    "the same turned round": ([1200, 7], [0.5, 0.5]),
    "one": ([3], [1.0]),
}


@pytest.mark.parametrize(("numbers", "shares"), MIXES.values(), ids=MIXES.keys())
def test_row_names_its_portraits(numbers: list[int], shares: list[float]) -> None:
    sets = sample_sets(True, 3, np.random.default_rng(0))
    rows = with_portraits(sets, numbers, np.array(shares, np.float32))
    assert rows.shape == (3, SET_SIZE)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:, : len(ATTRIBUTES)], sets)
    for row in rows:
        found, parts = portraits_of(row)
        assert found == numbers
        assert parts == pytest.approx(shares)


def test_portrait_without_a_share_has_no_part() -> None:
    """A mix of fewer than the usual number is that of its own portraits, and no editor sees another one."""
    (row,) = with_portraits(np.zeros((1, len(ATTRIBUTES)), np.float32), [5], sample_shares(np.random.default_rng(0), 1))
    assert portraits_of(row) == ([5], [1.0])
    assert set(row[len(ATTRIBUTES) : len(ATTRIBUTES) + MIX]) == {5.0}


def test_row_without_a_stand_in() -> None:
    rows = without_portraits(sample_sets(False, 2, np.random.default_rng(0)))
    assert rows.shape == (2, SET_SIZE)
    assert portraits_of(rows[0]) == ([], [])


def test_named_leaves_zeros_out_and_tells_no_portrait() -> None:
    values = np.zeros(SET_SIZE, np.float32)
    values[ATTRIBUTES.index("Young")] = -0.5
    assert named(values) == {"Young": -0.5}
    rows = with_portraits(sample_sets(True, 1, np.random.default_rng(0)), [4, 9], np.array([0.6, 0.4], np.float32))
    assert set(named(rows[0])) == set(ATTRIBUTES) - set(UNTOUCHED)
