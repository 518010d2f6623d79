import numpy as np
import pytest

from evaluation.metrics.linkability import d_sys, local_linkability


@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 0.0), (1.0, 0.0), (3.0, 0.5), (np.inf, 1.0)])
def test_local_linkability(ratio: float, expected: float) -> None:
    assert local_linkability(ratio) == pytest.approx(expected)


def test_apart_is_linkable_and_alike_is_not() -> None:
    rng = np.random.default_rng(0)
    assert d_sys(rng.normal(9, 1, 500), rng.normal(0, 1, 5000)) == pytest.approx(1.0, abs=0.01)
    assert d_sys(rng.normal(0, 1, 5000), rng.normal(0, 1, 50_000)) < 0.05


def test_constant_scores_are_unlinkable() -> None:
    assert d_sys(np.zeros(50), np.zeros(500)) == 0.0
