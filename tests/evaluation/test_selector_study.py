"""The selector's study: its searches stay among the sets that the product draws, and its counts are those of an analytic case."""

import numpy as np
import pytest

from deid.attributes.sampler import sample_sets
from deid.models.attgan import ATTRIBUTES, N_CODES
from evaluation.studies import STUDIES
from evaluation.studies.selector import _mutants, _to_others


def test_mutants_keep_attributes_and_the_length_of_the_code() -> None:
    rng = np.random.default_rng(0)
    (best,) = sample_sets(True, 1, rng)
    mutants = _mutants(best, rng)
    np.testing.assert_array_equal(mutants[:, : len(ATTRIBUTES)], np.repeat(best[None, : len(ATTRIBUTES)], len(mutants), axis=0))
    np.testing.assert_allclose(np.linalg.norm(mutants[:, len(ATTRIBUTES) :], axis=1), np.sqrt(N_CODES), rtol=1e-5)
    assert (mutants[:, -1] != best[-1]).all()


def test_distances_are_to_others_of_the_same_gender() -> None:
    rows = np.array([[0.0], [1.0], [3.0], [3.5]], np.float32)
    male = np.array([True, True, True, False])
    np.testing.assert_allclose(_to_others(rows, male), [2.0, 1.5, 2.5, 0.0])
    np.testing.assert_allclose(_to_others(rows, male, 1.5), [0.5, 0.5, 0.0, 0.0])


@pytest.mark.parametrize("name", ["selector"])
def test_study_has_a_name(name: str) -> None:
    assert name in STUDIES
