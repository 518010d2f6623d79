import numpy as np
import pytest

from evaluation.metrics.bootstrap import mean_interval, share_interval, weighted_interval
from evaluation.metrics.linkability import d_sys


def test_mean_of_independent_values_has_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    found = mean_interval(values, [str(i) for i in range(2000)])
    half = 1.96 * values.std() / np.sqrt(2000)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.01)
    assert found.high == pytest.approx(values.mean() + half, abs=0.01)


def test_copies_of_one_person_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(1).normal(size=50)
    people = [str(i) for i in range(50)]
    once, often = mean_interval(values, people), mean_interval(np.repeat(values, 20), np.repeat(people, 20).tolist())
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=1e-6)
    assert (often.n, often.n_groups) == (1000, 50)


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.116), (1.0, 0.884, 1.0)])
def test_a_unanimous_share_is_not_certain(value: float, low: float, high: float) -> None:
    found = share_interval(np.full(30, value), [str(i) for i in range(30)])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)


def test_one_person_has_no_interval_and_nobody_has_no_value() -> None:
    assert np.isnan(mean_interval([1.0, 2.0], ["a", "a"]).low)
    assert np.isnan(mean_interval([], []).value)
    assert weighted_interval(lambda w: 1.0, [], 0).n == 0


def test_a_weighted_mean_agrees_with_the_mean() -> None:
    values = np.random.default_rng(2).normal(size=40)
    people = [str(i % 10) for i in range(40)]
    plain = mean_interval(values, people, seed=3, n_resamples=300)
    weighted = weighted_interval(lambda w: float(np.average(values, weights=w)), people, 40, seed=3, n_resamples=300)
    assert weighted.high - weighted.low == pytest.approx(plain.high - plain.low)
    assert (weighted.low, weighted.high) == pytest.approx((plain.low, plain.high), abs=0.02)


def test_a_statistic_that_reads_copies_as_structure_keeps_its_value_inside() -> None:
    rng = np.random.default_rng(4)
    mated, others = rng.normal(size=200), rng.normal(size=4000)
    people = [str(i) for i in range(200)] + [str(i % 200) for i in range(4000)]
    found = weighted_interval(lambda w: d_sys(mated, others, w), people, 200)
    assert found.low < found.value < found.high
