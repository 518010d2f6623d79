"""Deep samples are seen at any range, and come back from where nobody was at work."""

import numpy as np
import pytest

from deid.imaging import samples


def _ramp(low: int, high: int) -> np.ndarray:
    return np.linspace(low, high, 4000).reshape(50, 80).astype(np.uint16)


@pytest.mark.parametrize(("low", "high"), [(0, 65535), (0, 4095), (0, 15), (30000, 30255), (100, 60000)])
def test_usual_tones_fill_eight_bits_and_come_back(low: int, high: int) -> None:
    deep = _ramp(low, high)
    tones = samples.usual(deep)
    levels = tones.view[deep]
    assert np.ptp(levels) >= 250
    assert (np.diff(tones.view.astype(int)) >= 0).all()
    step = max((high - low) / 255, 1)
    assert np.abs(tones.back[levels].astype(int) - deep).max() <= step


def test_outliers_do_not_hide_the_rest() -> None:
    deep = _ramp(0, 4000)
    deep[0, :3] = 65535
    assert np.ptp(samples.usual(deep).view[deep[1:]]) > 240


def test_one_level_is_no_error() -> None:
    deep = np.full((4, 5), 1234, np.uint16)
    tones = samples.usual(deep)
    assert samples.seen(deep, tones).shape == (4, 5, 3)
    assert samples.further(deep, tones) is None


def test_what_the_usual_tones_hide_has_tones_of_its_own() -> None:
    deep = np.full((60, 80), 60000, np.uint16)
    deep[:40] = _ramp(200, 900)[:40]
    usual = samples.usual(deep)
    tones = samples.further(deep, usual)
    assert tones is not None
    assert np.ptp(usual.view[deep[:40]]) < 5
    assert np.ptp(tones.view[deep[:40]]) > 120
    assert np.abs(tones.back[tones.view[deep[:40]]].astype(int) - deep[:40]).max() < 20
    assert samples.further(_ramp(0, 65535), samples.usual(_ramp(0, 65535))) is None


@pytest.mark.parametrize("shape", [(50, 80), (50, 80, 3)])
@pytest.mark.parametrize("cover", ["flat", "same grey", "mean"])
def test_a_cover_is_told_even_where_it_changes_no_level(shape: tuple[int, ...], cover: str) -> None:
    deep = np.full(shape, 20000, np.uint16)
    deep[:5] = 0
    deep[-5:] = 65535
    before = samples.seen(deep, samples.usual(deep))
    after = before.copy()
    place = np.s_[12:40, 10:70]
    after[place] = {"flat": 200, "same grey": before[place][0, 0], "mean": before[place].mean(axis=(0, 1)).astype(np.uint8)}[cover]
    expected = np.zeros((50, 80), bool)
    expected[place] = True
    touched = samples.touched(before, after)
    assert not (touched & ~expected).any()
    # The border is where a pixel's trace can be met by chance with no neighbour to tell.
    assert touched[13:39, 11:69].all()
    assert not samples.touched(before, before).any()
