"""The strangers are nobody: each is the mean of several people, and no person is in two of them."""

import numpy as np
import pytest

from deid.core.errors import DataError
from deid.training.strangers import StrangerOptions, make, together


def _rows(n: int) -> np.ndarray:
    rows = np.random.default_rng(0).normal(size=(n, 16)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_each_is_the_mean_of_three_who_are_near() -> None:
    # Three bunches of three: whoever comes first, a bunch stays together.
    centres = np.eye(16, dtype=np.float32)[:3]
    rows = np.repeat(centres, 3, axis=0) + 0.05 * _rows(9)
    found = together(rows / np.linalg.norm(rows, axis=1, keepdims=True), 3, 0)
    assert found.shape == (3, 16)
    assert (found @ centres.T).max(axis=1) == pytest.approx(1, abs=0.01)
    assert sorted((found @ centres.T).argmax(axis=1)) == [0, 1, 2]


def test_nobody_is_used_twice_and_rests_are_left_out() -> None:
    rows = _rows(11)
    found = together(rows, 3, 1)
    assert len(found) == 3
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert (found @ rows.T).max() < 0.999, "a stranger must not be one of the people"


def test_no_data_is_an_error(tmp_path: object) -> None:
    with pytest.raises(DataError, match="lfw-deepfunneled"):
        make(tmp_path, StrangerOptions())  # type: ignore[arg-type]
