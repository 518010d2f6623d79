"""`deid check` and `evaluation compare` give equal numbers, for the same judges."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deid.check.judges import Judges
from deid.check.run import check
from deid.core.types import Image
from evaluation import compare as module
from evaluation import detectors, recognisers

Write = Callable[[str, dict[str, Image]], Path]


@pytest.fixture
def outputs(people: dict[str, Image], solid: dict[str, Image]) -> dict[str, Image]:
    """One as it was, one that is still recognised, one covered, one missing."""
    names = list(people)
    softer = np.clip(people[names[1]] * 0.8 + 20, 0, 255).astype(np.uint8)
    return {names[0]: people[names[0]], names[1]: softer, names[2]: solid[names[2]]}


def test_equal_numbers(
    write: Write, people: dict[str, Image], outputs: dict[str, Image], judges: Judges, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = write("before", people), write("after", outputs)
    report = check(before, after, judges)
    monkeypatch.setattr(detectors, "both_detectors", lambda: judges.detectors)
    monkeypatch.setattr(detectors, "fingerprint", lambda detector: "")
    monkeypatch.setattr(recognisers, "load", lambda files: list(judges.embedders))
    monkeypatch.setattr(recognisers, "fingerprint", lambda recogniser: "")
    results = module.compare(before, after)
    counts, n = report.counts, len(results.faces)
    assert counts.faces == n == 4
    assert (counts.unchanged, counts.recognised, counts.exposed) == (1, 2, 2)
    assert counts.share("exposed") == results.find("exposed").value
    assert counts.unchanged / n == results.find("of these: unchanged").value
    assert 1 - counts.share("recognised") == results.find("not recognised", section="privacy").value
    assert counts.share("found") == results.find("found by either detector").value
    assert report.recall == {name: results.find("recall", name).value for name in ("one", "two")}
    states = {row["file"]: row["state"] for row in results.faces}
    assert {f.name: f.faces[0]["state"] for f in report.files} == states
