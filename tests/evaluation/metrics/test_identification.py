import numpy as np
import pytest

from evaluation.metrics.identification import Ranks, chance, cmc, hits, ranks

SCORES = np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.2, 0.2, 0.2]])


def test_ranks_count_who_is_above_and_who_ties() -> None:
    found = ranks(SCORES, [0, 2, 1])
    assert found.above.tolist() == [0, 2, 0]
    assert found.equal.tolist() == [1, 1, 3]


@pytest.mark.parametrize(("k", "expected"), [(1, [1, 0, 1 / 3]), (2, [1, 0, 2 / 3]), (3, [1, 1, 1])])
def test_ties_are_shared(k: int, expected: list[float]) -> None:
    assert hits(ranks(SCORES, [0, 2, 1]), k) == pytest.approx(expected)


def test_a_constant_gallery_gives_exactly_chance() -> None:
    found = ranks(np.zeros((7, 20)), np.arange(7))
    assert cmc(found, 20) == pytest.approx(np.arange(1, 21) / 20)


def test_cmc_of_a_perfect_search_is_one() -> None:
    assert cmc(ranks(np.eye(5), np.arange(5)), 5).tolist() == [1.0] * 5


def test_measured_chance_is_one_in_the_gallery() -> None:
    mean, low, high = chance(np.random.default_rng(0).normal(size=(200, 50)), np.arange(200) % 50, 1)
    assert mean == pytest.approx(1 / 50, abs=0.004)
    assert low < 1 / 50 < high


def test_an_excluded_pair_never_wins() -> None:
    assert hits(Ranks(np.array([0]), np.array([1])), 1) == [1.0]
    assert ranks([[0.1, -np.inf]], [0]).above.tolist() == [0]
