import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.metrics.detail import detail_ratio, fine_detail

_NOISE = np.random.default_rng(0).normal(0, 10, (120, 120))
_INSIDE = np.zeros((120, 120), bool)
_INSIDE[30:90, 30:90] = True


def _grey(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.repeat(np.clip(128 + values, 0, 255).round().astype(np.uint8)[..., None], 3, axis=2)


def test_a_checkerboard_is_all_detail() -> None:
    board = _grey(40.0 * (np.indices((120, 120)).sum(axis=0) % 2) - 20)
    assert fine_detail(board, _INSIDE) == pytest.approx(20.0, rel=0.01)


def test_a_ramp_has_none() -> None:
    assert fine_detail(_grey(np.tile(np.arange(120.0) - 60, (120, 1))), _INSIDE) < 0.3


def test_an_untouched_photo_fits() -> None:
    assert detail_ratio(_grey(_NOISE), _grey(_NOISE), _INSIDE, ~_INSIDE) == 1.0


@pytest.mark.parametrize(("gain", "low", "high"), [(0.5, 0.48, 0.52), (1.5, 1.46, 1.54)])
def test_the_contrast_of_the_face_alone_is_measured(gain: float, low: float, high: float) -> None:
    after = _grey(np.where(_INSIDE, gain * _NOISE, _NOISE))
    assert low < detail_ratio(_grey(_NOISE), after, _INSIDE, ~_INSIDE) < high


def test_what_is_done_to_the_whole_picture_cancels_out() -> None:
    soft = cv2.GaussianBlur(_grey(_NOISE), (0, 0), 1.0)
    assert detail_ratio(_grey(_NOISE), soft, _INSIDE, ~_INSIDE) == pytest.approx(1.0, abs=0.02)


def test_without_surroundings_nothing_can_be_told() -> None:
    assert np.isnan(detail_ratio(_grey(_NOISE), _grey(_NOISE), _INSIDE, _INSIDE & ~_INSIDE))
    assert np.isnan(detail_ratio(_grey(0 * _NOISE), _grey(_NOISE), _INSIDE, ~_INSIDE))
