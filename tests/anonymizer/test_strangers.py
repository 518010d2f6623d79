"""Nearness: how far a face is from a person, told by strangers."""

import numpy as np
import pytest
from numpy.typing import NDArray

from deid import weights
from deid.anonymizer.strangers import Strangers, shipped_strangers
from deid.core.errors import WeightsFormatError


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
def rows() -> NDArray[np.float32]:
    """Strangers who differ ten times as much in the first direction as in all others."""
    return _unit(np.random.default_rng(0).normal(size=(400, 8)) * [1.0, *[0.1] * 7] + np.eye(8)[7] * 3)


def test_the_same_picture_is_at_nothing(rows: NDArray[np.float32]) -> None:
    assert Strangers(rows[1:]).nearness(rows[:3], rows[:3]).diagonal() == pytest.approx(0, abs=1e-6)


def test_the_unit_is_the_mean_distance_to_the_nearest_strangers(rows: NDArray[np.float32]) -> None:
    # The nearest stranger himself: he is at no distance from a stranger, so the mean is half of his distance from the person.
    near = Strangers(rows[1:]).nearness(rows[1:], rows[:1])
    assert near.shape == (399, 1)
    assert near.min() == pytest.approx(2)


def test_what_strangers_rarely_differ_in_counts_more(rows: NDArray[np.float32]) -> None:
    strangers, middle = Strangers(rows), _unit(np.eye(8)[7:] * 3)
    usual, rare = _unit(middle + np.eye(8)[0] * 0.05), _unit(middle + np.eye(8)[1] * 0.05)
    assert usual[0] @ middle[0] == pytest.approx(rare[0] @ middle[0], abs=1e-4), "by the recogniser, both are as far"
    assert strangers.nearness(rare, middle)[0, 0] > 2 * strangers.nearness(usual, middle)[0, 0]


def test_who_is_like_many_must_be_nearer(rows: NDArray[np.float32]) -> None:
    alone = Strangers(rows[:200])
    crowded = Strangers(np.concatenate([rows[:200], _unit(rows[300:301] + np.random.default_rng(1).normal(size=(20, 8)) * 0.01)]))
    person, face = rows[300:301], _unit(rows[300:301] + np.eye(8)[2] * 0.02)
    assert crowded.nearness(face, person)[0, 0] > alone.nearness(face, person)[0, 0]


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for rows in (np.zeros((900, 64), np.float32), np.zeros((5, 128), np.float32), np.zeros(3, np.float32)):
        monkeypatch.setattr(weights, "read", lambda name, rows=rows: ({"embeddings": rows}, None))
        with pytest.raises(WeightsFormatError, match="128 strangers or more"):
            shipped_strangers()
