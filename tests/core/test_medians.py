"""Medians to the bit as numpy gives them."""

import numpy as np
import pytest

from deid.core.medians import median


@pytest.mark.parametrize("shape", [(1,), (2,), (301,), (302,), (1, 3), (2, 3), (7, 3), (400, 3), (401, 2)])
def test_the_same_as_numpys(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)
    before = values.copy()
    found, wanted = median(values), np.median(values, axis=0)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(values, before)


def test_ties_and_columns_of_a_larger_array() -> None:
    values = np.random.default_rng(0).integers(0, 4, (50, 6)).astype(np.float32)
    np.testing.assert_array_equal(median(values[:, ::2]), np.median(values[:, ::2], axis=0))
