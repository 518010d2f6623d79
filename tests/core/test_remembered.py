"""Answers are kept by what the arrays hold, and nothing can change them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from deid.core.remembered import remembered


def test_an_answer_is_kept_by_the_arrays_contents() -> None:
    asked = []

    @remembered(2)
    def total(values: NDArray[np.float64], times: int = 1) -> NDArray[np.float64]:
        asked.append(values.copy())
        return values * times

    first = np.arange(3.0)
    assert total(first) is total(first.copy())
    first[0] = 5
    assert total(first)[0] == 5
    assert len(asked) == 2
    assert total(first, times=2)[0] == 10
    # Two are kept: the first is asked for anew.
    total(np.arange(3.0))
    assert len(asked) == 4


def test_arrays_of_one_content_and_another_shape_or_kind_differ() -> None:
    @remembered(8)
    def shape(values: NDArray[np.generic]) -> NDArray[np.int64]:
        return np.array([*values.shape, values.dtype.itemsize])

    given = (np.zeros((2, 4), np.uint8), np.zeros((4, 2), np.uint8), np.zeros((1, 2), np.float32), np.zeros((2, 1), np.float32))
    assert len({tuple(shape(values)) for values in given}) == 4
    assert shape(given[0].T).tolist() == [4, 2, 1]


def test_an_answer_cannot_be_written_to() -> None:
    @remembered(1)
    def ones(n: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.ones_like(n)

    with pytest.raises(ValueError, match="read-only"):
        ones(np.zeros(2))[0] = 3
