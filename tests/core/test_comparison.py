"""A value that is less than a limit is shown to be less."""

import numpy as np
import pytest

from deid.core.comparison import below

CASES = {
    "far apart": (0.314, 0.5, "0.31 < 0.50"),
    "rounding up would show them equal": (0.3797, 0.38, "0.37 < 0.38"),
    "more digits": (0.48312, 0.48487, "0.483 < 0.485"),
    "a network's number": (float(np.float32(0.1)), 0.15, "0.10 < 0.15"),
    "a network's number, rounded": (float(np.float32(0.49)), 0.5, "0.49 < 0.50"),
    "hardly apart": (0.4999999, 0.5, "0.4999 < 0.5000"),
}


@pytest.mark.parametrize(("value", "limit", "shown"), CASES.values(), ids=CASES)
def test_below(value: float, limit: float, shown: str) -> None:
    assert below(value, limit) == shown


def test_below_with_a_unit() -> None:
    assert below(15.96, 16.0, 0, " px") == "15 px < 16 px"
