import numpy as np
import pytest

from evaluation.metrics.realism import fid, kid, paired_kid


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


def test_paired_kid_of_untouched_photos_is_nothing_and_of_noise_little() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(3, 5, (60, 8))
    assert paired_kid(rows, rows) == pytest.approx(0.0, abs=1e-12)
    # A little noise moves every photo and not the set; `kid`, which holds each photo against itself, falls below nothing.
    noisy = rows + rng.normal(0, 0.1, rows.shape)
    assert abs(paired_kid(rows, noisy)) < 0.01 < -kid(*((r - rows.mean(axis=0)) / rows.std(axis=0) for r in (rows, noisy)))


def test_paired_kid_is_unbiased_where_pairs_have_nothing_in_common() -> None:
    values = [paired_kid(*np.random.default_rng(seed).normal(size=(2, 50, 4))) for seed in range(40)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(40)


def test_paired_kid_grows_with_the_shift_and_knows_no_scale() -> None:
    rows = np.random.default_rng(0).normal(size=(80, 4))
    near, far = (paired_kid(rows, rows + step) for step in (0.5, 2.0))
    assert 0 < near < far
    assert paired_kid(100 * rows, 100 * (rows + 2.0)) == pytest.approx(far)
