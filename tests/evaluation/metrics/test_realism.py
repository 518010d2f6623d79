import numpy as np
import pytest

from evaluation.metrics.realism import fid, kid


def test_fid_of_equal_sets_is_zero() -> None:
    a = np.random.default_rng(0).normal(size=(200, 8))
    assert fid(a, a) == pytest.approx(0.0, abs=1e-6)


def test_fid_of_a_shift_is_its_square() -> None:
    a = np.random.default_rng(0).normal(size=(200, 8))
    assert fid(a, a + 2.0) == pytest.approx(8 * 4.0)


def test_fid_of_a_scale_matches_the_formula() -> None:
    # Covariances C and 9 C: trace of C + 9 C - 2 * 3 C is 4 tr C.
    a = np.random.default_rng(1).normal(size=(500, 4))
    a -= a.mean(axis=0)
    assert fid(a, 3 * a) == pytest.approx(4 * np.trace(np.cov(a, rowvar=False)))


def test_kid_is_zero_on_average_for_one_distribution() -> None:
    rng = np.random.default_rng(2)
    values = [kid(rng.normal(size=(60, 4)), rng.normal(size=(60, 4))) for _ in range(60)]
    assert np.mean(values) == pytest.approx(0.0, abs=3 * np.std(values) / np.sqrt(60))


def test_kid_grows_with_the_distance() -> None:
    a = np.random.default_rng(3).normal(size=(100, 4))
    b = np.random.default_rng(4).normal(size=(100, 4))
    assert 0.05 < kid(a, b + 1.0) < kid(a, b + 2.0)
