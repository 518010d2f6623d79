import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from deid.check.recognition import distance_of, score_threshold
from evaluation.metrics.verification import accepted, auc, eer, roc


def test_distance_of_known_angles() -> None:
    assert distance_of([1.0, 0.0, -1.0]) == pytest.approx([0.0, np.sqrt(2), 2.0])


def test_threshold_keeps_the_rate() -> None:
    scores = np.arange(1000) / 1000
    threshold = score_threshold(scores, 0.01)
    assert accepted(scores, threshold).mean() <= 0.01
    assert accepted(scores, threshold - 0.002).mean() > 0.01


def test_too_few_pairs_for_a_rate_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1000 non-mated pairs"):
        score_threshold(np.zeros(10), 1e-3)


def test_auc_and_eer_of_two_normals_match_theory() -> None:
    rng = np.random.default_rng(0)
    mated, others = rng.normal(2, 1, 20_000), rng.normal(0, 1, 20_000)
    assert auc(mated, others) == pytest.approx(norm.cdf(2 / np.sqrt(2)), abs=0.005)
    assert eer(mated, others) == pytest.approx(norm.cdf(-1), abs=0.005)


@pytest.mark.parametrize(("mated", "others", "area", "error"), [([1, 2], [-1, 0], 1.0, 0.0), ([-1, 0], [1, 2], 0.0, 1.0)])
def test_separated_scores(mated: list[float], others: list[float], area: float, error: float) -> None:
    assert auc(mated, others) == area
    assert eer(mated, others) == pytest.approx(error)


def test_equal_scores_are_chance() -> None:
    assert auc([0, 0, 0], [0, 0]) == 0.5
    assert eer([0, 0, 0], [0, 0]) == pytest.approx(0.5)


def test_roc_runs_from_nothing_to_everything() -> None:
    fmr, tar = roc([0.9, 0.4], [0.5, 0.1])
    assert (fmr[0], tar[0], fmr[-1], tar[-1]) == (0, 0, 1, 1)


WEIGHTS = {"equal": None, "drawn with repetition": np.random.default_rng(1).integers(0, 4, 90).astype(float)}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("digits", [6, 1], ids=["all different", "many alike"])
def test_curve_and_area_are_those_of_sklearn(digits: int, weights: NDArray[np.float64] | None) -> None:
    rng = np.random.default_rng(0)
    mated, others = rng.normal(1, 1, 30).round(digits), rng.normal(0, 1, 60).round(digits)
    labels, scores = np.repeat([1, 0], [30, 60]), np.concatenate([mated, others])
    x, y, _ = roc_curve(labels, scores, sample_weight=weights)
    fmr, tar = roc(mated, others, weights)
    at = np.linspace(0.001, 0.999, 500)
    assert np.interp(at, fmr, tar) == pytest.approx(np.interp(at, x, y))
    assert auc(mated, others, weights) == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))


def test_a_weight_of_two_equals_a_copy() -> None:
    assert auc([1.0, 3.0], [2.0], [2, 1, 1]) == pytest.approx(auc([1.0, 1.0, 3.0], [2.0]))
