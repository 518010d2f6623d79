"""The fit of a new face names what keeps it from being better."""

import pytest

from deid.compositing.fit import Fit

CASES = {
    "hidden": (Fit(0.3, 0.2, 0.9), "hair or a hat hides too much of the portrait"),
    "rough": (Fit(0.9, 1.5, 0.8), "its border would show"),
    "distorted": (Fit(0.9, 0.2, 0.4), "the portrait is bent too far"),
}


@pytest.mark.parametrize(("fit", "worst"), CASES.values(), ids=CASES)
def test_worst(fit: Fit, worst: str) -> None:
    assert fit.worst == worst


def test_each_of_the_three_lowers_the_fit() -> None:
    assert Fit().value == 1.0
    assert Fit(shown=0.5).value == Fit(rough=1.0).value == Fit(unstrained=0.5).value == 0.5
