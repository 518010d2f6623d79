"""The selector's study: ways to choose pick what the product would, and the thesis's network never sees whom it is asked of."""

import numpy as np
import pytest

from deid.editing.sampler import SET_SIZE
from deid.training.selector import Limits
from deid.training.selector_table import Table
from evaluation.studies import STUDIES
from evaluation.studies.selector import _best, _by_thesis, _lines, _Predicted, _ways

_GOALS = Limits(threshold=1.0, distance=0.5, second=0.5)


@pytest.fixture
def table() -> Table:
    """30 people under 8 pairs, the last of which is best for all; two in each person pass."""
    shape = (30, 8)
    rng = np.random.default_rng(0)
    rows = np.zeros((*shape, SET_SIZE), np.float32)
    rows[..., 12] = rng.uniform(-1, 1, shape)
    ones = np.ones(shape, np.float32)
    passed = np.zeros(shape, bool)
    passed[:, -2:] = True
    realism = np.tile(np.linspace(0.1, 0.8, 8, dtype=np.float32), (30, 1))
    names = np.array([f"p{i}" for i in range(30)])
    looks = np.zeros((30, 189), np.float32)
    return Table(names, looks, np.zeros((30, 128), np.float32), rows, ones, ones, ones, realism, ones, passed)


def test_ways_pick_what_the_product_would(table: Table) -> None:
    liked = np.tile(np.arange(8.0), (30, 1))
    predicted = _Predicted(np.zeros((30, 8, 3)), liked)
    ways = _ways(table, {"selector": predicted, "thesis's network": _Predicted(predicted.chances, -liked)})
    picked = {name: float((choice * np.arange(8)).sum(axis=1).mean()) for name, choice in ways.items()}
    assert all(np.allclose(choice.sum(axis=1), 1.0) for choice in ways.values())
    assert picked["selector, 1 generated of 8"] == picked["all 8 generated"] == 7
    assert picked["selector, 1 generated of 4"] == 3
    assert picked["thesis's network, 1 generated of 8"] == 0
    # The mean of the larger of two different numbers from 0 to 7, and of one.
    assert picked["random, 2 generated"] == pytest.approx(5.0)
    assert picked["random, 1 generated"] == pytest.approx(3.5)


def test_numbers_are_those_of_the_pairs_that_were_chosen(table: Table) -> None:
    measures = {m.name: m.value for m in _lines("way", table, _best(table.realism.astype(float), None), _GOALS, 0)}
    assert measures["passes"] == measures["good"] == 1.0
    assert measures["realism"] == pytest.approx(0.8)
    assert measures["utility"] == pytest.approx(0.8)


def test_thesis_network_learns_from_other_people(table: Table) -> None:
    """Whoever is asked about has what nobody else has: a network that had seen it would know."""
    chances = _by_thesis(table, _GOALS, 0).chances
    assert chances.shape == (30, 8, 3)
    other = Table(**table.columns() | {"passed": np.concatenate([~table.passed[:1], table.passed[1:]])})
    np.testing.assert_array_equal(_by_thesis(other, _GOALS, 0).chances[0], chances[0])


def test_study_has_a_name() -> None:
    assert "selector" in STUDIES
