"""Shapes stay within what faces have, however a head is held."""

import numpy as np
import pytest
from numpy.typing import NDArray

from deid.editing.looks import HELD
from deid.editing.portraits import Portraits
from deid.editing.shapes import INNER, Shapes

Points = NDArray[np.float64]

#: Turned by 20 degrees, twice as large, moved.
TURN = 2 * np.array([[np.cos(0.35), -np.sin(0.35)], [np.sin(0.35), np.cos(0.35)]])
MOVE = np.array([30.0, -12.0])


@pytest.fixture(scope="module")
def features(bank: Portraits) -> Points:
    """(N, 51, 2) of the shipped portraits."""
    return np.asarray(bank.points[:, INNER:], np.float64)


def _caricature(features: Points, which: int) -> Points:
    """A face three times as far from the mean."""
    mean = features.mean(axis=0)
    return np.asarray(mean + 3 * (features[which] - mean))


def test_the_mean_stays_as_it_is(bank: Portraits, features: Points) -> None:
    mean = features.mean(axis=0)
    np.testing.assert_allclose(bank.shapes.bounded(mean), mean, atol=1e-6)


def test_most_faces_hardly_change_and_a_caricature_does(bank: Portraits, features: Points) -> None:
    moved = np.array([np.linalg.norm(bank.shapes.bounded(f) - f, axis=1).mean() for f in features[:100]])
    assert np.median(moved) < 0.7
    wild = [_caricature(features, i) for i in range(20)]
    tamed = [bank.shapes.bounded(f) for f in wild]
    assert np.median([np.linalg.norm(a - b, axis=1).mean() for a, b in zip(tamed, wild, strict=True)]) > 1.5
    # It ends nearer to the faces that there are.
    nearest = [[np.linalg.norm(features - f, axis=2).mean(axis=1).min() for f in some] for some in (wild, tamed)]
    assert np.mean(nearest[1]) < 0.9 * np.mean(nearest[0])


def test_how_a_head_is_held_makes_no_difference(bank: Portraits, features: Points) -> None:
    wild = _caricature(features, 5)
    np.testing.assert_allclose(bank.shapes.bounded(wild @ TURN.T + MOVE), bank.shapes.bounded(wild) @ TURN.T + MOVE, atol=1e-3)


def test_few_portraits_say_nothing_about_shapes(bank: Portraits, features: Points) -> None:
    wild = _caricature(features, 3)
    few = Shapes(bank.points[:10], bank.pose[:10, HELD])
    np.testing.assert_allclose(few.bounded(wild), wild, atol=1e-6)
    np.testing.assert_allclose(few.turned(wild, np.array([2.0, 1.0])), 0, atol=1e-6)


@pytest.mark.parametrize(("by", "axis"), [((1.0, 0.0), 0), ((0.0, 1.0), 1)])
def test_the_nose_moves_farther_than_the_eyes(by: tuple[float, float], axis: int, bank: Portraits, features: Points) -> None:
    moved = bank.shapes.turned(features.mean(axis=0), np.array(by))
    tip, eyes = moved[30 - INNER], moved[36 - INNER : 48 - INNER].mean(axis=0)
    assert tip[axis] - eyes[axis] > 1.5
    # A turn does not tilt, and a tilt does not turn.
    assert np.abs(moved[30 - INNER, 1 - axis]) < 0.5
    # Held a little further, it is a little further; nothing is known of a profile.
    far = bank.shapes.turned(features.mean(axis=0), 100 * np.array(by))
    assert 2 * tip[axis] < far[30 - INNER, axis] < 6 * tip[axis]
