"""Defaults that the pages name are those of the options."""

import dataclasses
import re
from pathlib import Path

import pytest

from deid.core.options import Options
from deid.verification import gate

DOCS = Path(__file__).parents[2] / "docs"
DEFAULTS = {field.name: getattr(Options(), field.name) for field in dataclasses.fields(Options)}
#: "`edit_score` (0.9)", "`max_pixels` (default: 100 million", "default of `margin` in ... (0.15)", "0.16 seconds** (`detect_every_s`)".
_AFTER = re.compile(r"`(\w+)`(?: in `[\w/.]+`)? \((?:default: )?(\d[\d.]*)( million)?")
_BEFORE = re.compile(r"(\d[\d.]*) seconds\*{0,2}(?: is filled:)? \(?`(\w+)`")


def named(text: str) -> list[tuple[str, float]]:
    """Options with the default that a text gives them."""
    plain = " ".join(text.split())
    after = [(name, float(value.rstrip(".")) * (1e6 if million else 1)) for name, value, million in _AFTER.findall(plain)]
    return [(name, value) for name, value in after + [(n, float(v)) for v, n in _BEFORE.findall(plain)] if name in DEFAULTS]


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_a_default_on_a_page_is_the_options(page: str) -> None:
    wrong = [(name, value, DEFAULTS[name]) for name, value in named((DOCS / page).read_text()) if value != DEFAULTS[name]]
    assert not wrong


def test_defaults_are_seen() -> None:
    found = [pair for path in DOCS.glob("*.md") for pair in named(path.read_text())]
    assert {name for name, _ in found} >= {"edit_score", "margin", "max_pixels", "detect_every_s", "look_ahead_s"}
    assert named("A gap (`margin` (0.3)) and 2.5 seconds (`patience_s`)") == [("margin", 0.3), ("patience_s", 2.5)]


def test_the_score_of_noise_is_the_gate_s() -> None:
    assert f"no less than {gate._NOISE_REALISM}, which noise reaches" in " ".join((DOCS / "concepts.md").read_text().split())
