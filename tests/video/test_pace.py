"""Intervals in frames, and the rate of a source that names none."""

import pytest

from deid.core.options import Options
from deid.video.pace import Meter, Pace


def _rates(times: list[float]) -> list[float]:
    meter = Meter()
    return [rate for t in times if (rate := meter.changed(t)) is not None]


@pytest.mark.parametrize("rate", [2.0, 8.0, 50.0])
def test_a_rate_is_measured_and_told_once(rate: float) -> None:
    assert _rates([100 + i / rate for i in range(60)]) == [pytest.approx(rate, rel=0.01)]


def test_the_usual_rate_and_one_close_to_it_are_no_news() -> None:
    assert _rates([i / 25 for i in range(60)]) == []
    assert _rates([i / 28 for i in range(60)]) == []


def test_a_lost_connection_is_no_other_rate() -> None:
    assert _rates([i / 25 + (40 if i > 20 else 0) for i in range(60)]) == []


def test_a_rate_that_changes_is_told_again() -> None:
    slow = [i / 5 for i in range(40)]
    told = _rates(slow + [slow[-1] + i / 15 for i in range(1, 41)])
    assert told[0] == pytest.approx(5)
    assert told[-1] == pytest.approx(15)


def test_no_rate_is_too_high_or_too_low() -> None:
    assert _rates([i / 9000 for i in range(20)]) == [60.0]
    assert Pace.of(Options(), 0.2).every == 1
