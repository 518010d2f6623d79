"""A new face that passes but is near the one before is tried again, the farthest is kept, and covers follow only where nothing passed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deid.anonymizer import fallback
from deid.anonymizer.models import Models
from deid.anonymizer.request import Level
from deid.compositing.fit import Fit
from deid.compositing.proposal import Shown
from deid.core.options import Options
from deid.core.types import Detection, Distance, EditedFace, Image, Verification
from deid.editing.attgan import AttganEditor
from deid.models.attgan import Generator
from deid.recognition.source_face import SourceFace
from deid.verification.attempts import Attempt, best

THRESHOLD = 0.384
PHOTO: Image = np.zeros((40, 40, 3), np.uint8)
SOURCE = SourceFace(Detection(np.array([8.0, 8, 32, 32])), (), np.zeros(13, np.float32), 0.0)


def _check(distance: float) -> Verification:
    reasons = () if distance > THRESHOLD else ("too near",)
    return Verification((Distance("dlib_resnet", distance, THRESHOLD),), True, 1.0, 0.0, 0.0, 1.0, reasons)


class _Gate:
    """Says of every cover what it is given, and lets every new face pass."""

    def __init__(self, covers: float = 1.0) -> None:
        self._covers = covers
        self.needed: list[float | None] = []

    def cover(self, source: SourceFace, image: Image) -> Verification:
        return _check(self._covers)

    def judge(self, source: SourceFace, image: Image, accepted: bool = False, needed: float | None = None) -> Verification:
        self.needed.append(needed)
        return _check(0.42 + 0.02 * len(self.needed))


def _attempt(level: Level, distance: float, touched: Any = np.s_[:]) -> Attempt[Level]:
    where = np.zeros(PHOTO.shape[:2], bool)
    where[touched] = True
    shown = Shown.of(EditedFace(PHOTO, level.editor.name), PHOTO, PHOTO, where)
    return Attempt(level, lambda _: shown, verdict_before=_check(distance) if level.pastes_face else None)


def _tried(distances: list[float], quality: str, again: bool = True) -> tuple[float, int, list[str]]:
    """The distance that is kept, how many new faces were made for it, and why the others were not."""
    options, made = Options(quality=quality), list[Attempt[Level]]()

    def attempts() -> Any:
        for level in fallback.levels(Models(options), AttganEditor(network=Generator(2))):
            made.append(_attempt(level, distances[len(made)] if len(made) < len(distances) else 0.2))
            yield made[-1]

    gate: Any = _Gate()
    kept, failed = best(gate, SOURCE, attempts(), options.budget.farther if again else 0)
    assert kept is not None
    assert kept.check.passed
    return kept.check.distances[0].value, sum(a.level.pastes_face for a in made), failed


@pytest.mark.parametrize(
    ("distances", "quality", "again", "kept", "tries"),
    [
        ([0.55, 0.60], "balanced", True, 0.55, 1),
        ([0.42, 0.55, 0.60], "balanced", True, 0.55, 2),
        ([0.42, 0.44, 0.40, 0.60], "balanced", True, 0.44, 3),
        ([0.44, 0.30, 0.42, 0.60], "balanced", True, 0.44, 3),
        ([0.30, 0.30, 0.42, 0.30, 0.43], "balanced", True, 0.43, 5),
        # The last of its levels passes: no cover takes its place.
        ([0.30] * 11 + [0.42], "balanced", True, 0.42, 12),
        ([0.30] * 12, "balanced", True, 1.0, 12),
        ([0.42, 0.60], "fast", True, 0.42, 1),
        ([0.42, 0.60], "balanced", False, 0.42, 1),
    ],
)
def test_the_farthest_of_a_few_is_kept(distances: list[float], quality: str, again: bool, kept: float, tries: int) -> None:
    value, n, failed = _tried(distances, quality, again)
    assert (value, n) == (kept, tries)
    first = next((i for i, d in enumerate(distances[:n]) if d > THRESHOLD), n)
    assert failed == ["attgan x1: too near" if i < 11 else "attgan x1.5: too near" for i in range(first)]


def test_a_further_one_needs_to_be_farther_than_the_last() -> None:
    """One that is not is of no use, and the gate may say so at the first look."""
    options = Options()
    gate: Any = _Gate()
    attempts = [
        replace(_attempt(level, 0.0), verdict_before=None) for level in fallback.new_faces(options, AttganEditor(network=Generator(2)))
    ]
    kept, failed = best(gate, SOURCE, attempts, options.budget.farther)
    assert kept is not None
    assert (kept.attempt, failed) == (attempts[2], [])
    assert gate.needed == pytest.approx([1.0, 0.44 / THRESHOLD, 0.46 / THRESHOLD])


def test_what_leaves_the_middle_of_the_face_does_not_pass() -> None:
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    gate: Any = _Gate()
    kept, failed = best(gate, SOURCE, [_attempt(level, 0.6, np.s_[:14])], 0)
    assert kept is None
    assert failed == ["attgan x1: only 12% of the middle of the box is edited"]


def test_what_does_not_fit_is_refused_with_the_cause() -> None:
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    gate: Any = _Gate()
    shown = Shown.of(EditedFace(PHOTO, "attgan"), PHOTO, PHOTO, np.ones(PHOTO.shape[:2], bool), Fit(0.9, 0.1, 0.4639))
    kept, failed = best(gate, SOURCE, [Attempt(level, lambda _: shown)], 0)
    assert kept is None
    assert failed == ["attgan x1: the stand-in does not fit the photo: 0.37 < 0.38, the portrait is bent too far"]
    assert gate.needed == [], "what is refused anyway need not be measured"


@pytest.mark.parametrize(("in_glasses", "passes"), [(False, True), (True, False)])
def test_in_the_same_glasses_a_face_must_be_farther(in_glasses: bool, passes: bool) -> None:
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    gate: Any = _Gate()
    near = replace(_attempt(level, 1.1 * THRESHOLD), in_glasses=in_glasses)
    kept, failed = best(gate, SOURCE, [near], 0)
    assert (kept is not None) == passes
    assert failed == ([] if passes else ["attgan x1: too near for the same glasses: 1.10 < 1.15 thresholds"])


def test_only_one_colour_needs_no_distance() -> None:
    gate: Any = _Gate(covers=0.1)
    kept, failed = best(gate, SOURCE, (_attempt(level, 0.0) for level in fallback.covers(Models(Options(method="blur")))), 0)
    assert kept is not None
    assert kept.shown.edited.method == "solid"
    assert len(failed) == 3
