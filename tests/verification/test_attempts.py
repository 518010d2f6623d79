"""A new face that passes but is near the one before is tried again, the farthest is kept, and covers follow only where nothing passed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from deid.anonymizer import fallback
from deid.anonymizer.models import Models
from deid.anonymizer.request import Level
from deid.compositing.fit import FITS, Fit
from deid.compositing.proposal import Shown
from deid.core.options import Options
from deid.core.types import Detection, Distance, EditedFace, Image, Verification
from deid.editing.attgan import AttganEditor
from deid.models.attgan import Generator
from deid.recognition.source_face import SourceFace
from deid.verification.attempts import Attempt, Sketched, best

THRESHOLD = 0.384
PHOTO: Image = np.zeros((40, 40, 3), np.uint8)
SOURCE = SourceFace(Detection(np.array([8.0, 8, 32, 32])), (), np.zeros(13, np.float32), 0.0)


def _check(distance: float) -> Verification:
    reasons = () if distance > THRESHOLD else ("too near",)
    return Verification((Distance("dlib_resnet", distance, THRESHOLD),), True, 1.0, 0.0, 0.0, 1.0, reasons)


class _Gate:
    """Says of every cover what it is given, and lets every new face pass."""

    def __init__(self, covers: float = 1.0, *looks: Sequence[float]) -> None:
        self._covers, self._all_looks = covers, list(looks)
        self.n_looks: list[int] = []

    def cover(self, source: SourceFace, image: Image) -> Verification:
        return _check(self._covers)

    def looks(self, source: SourceFace, image: Callable[[], Image], accepted: bool = False) -> Iterator[Verification]:
        """At each new face as often as is asked for, at growing distances where nothing else was given."""
        number = len(self.n_looks)
        self.n_looks.append(0)
        for distance in self._all_looks[number] if self._all_looks else [0.44 + 0.02 * number]:
            self.n_looks[number] += 1
            yield _check(distance)


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


# Name: (distances at each look of each new face, which is kept, how often each was looked at).
LOOKS: dict[str, tuple[list[list[float]], int, list[int]]] = {
    "the farthest, in full": ([[0.44, 0.44], [0.46, 0.45], [0.42, 0.42]], 1, [1, 2, 1]),
    "the next, where the farthest turns out nearer": ([[0.45, 0.45], [0.46, 0.43], [0.42, 0.42]], 0, [2, 2, 1]),
    "the first of two that are as far": ([[0.45, 0.45], [0.46, 0.45], [0.42, 0.42]], 0, [2, 2, 1]),
    "far enough, if it stays so": ([[0.60, 0.44], [0.46, 0.46], [0.42, 0.42]], 1, [2, 2, 1]),
    "far enough": ([[0.60, 0.60]], 0, [2]),
    "one more for one that fails": ([[0.46, 0.30], [0.44, 0.44], [0.42, 0.42], [0.43, 0.43]], 1, [2, 2, 1, 1]),
    "one more for one that fails late": ([[0.44, 0.44], [0.46, 0.30], [0.42, 0.42]], 0, [2, 2, 1]),
}


@pytest.mark.parametrize(("looks", "kept", "n_looks"), LOOKS.values(), ids=LOOKS.keys())
def test_no_more_is_looked_at_than_the_choice_needs(looks: list[list[float]], kept: int, n_looks: list[int]) -> None:
    """What is kept is what would be if every new face were looked at in full, in the order in which they are made."""
    options = Options()
    gate: Any = _Gate(1.0, *looks)
    attempts = [
        replace(_attempt(level, 0.0), verdict_before=None) for level in fallback.new_faces(options, AttganEditor(network=Generator(2)))
    ]
    best_one, failed = best(gate, SOURCE, attempts, options.budget.farther)
    assert best_one is not None
    assert (best_one.attempt, gate.n_looks) == (attempts[kept], n_looks)
    assert failed == (["attgan x1: too near"] if looks[0][-1] < THRESHOLD else [])
    fully = [distances[-1] for distances in looks]
    assert fully[kept] == max(fully)
    assert best_one.check.distances[0].value == fully[kept]


# Name: (margins of sketches, margins when they are made, which is kept, which were made).
SKETCHES: dict[str, tuple[list[float], list[float], int, list[int]]] = {
    "the farthest sketch, where its face is as far": ([1.10, 1.20, 1.15], [1.10, 1.19, 1.15], 1, [1]),
    "the next, where its face is nearer": ([1.10, 1.20, 1.15], [1.10, 1.12, 1.15], 2, [1, 2]),
    "far is far enough": ([1.40, 1.90], [1.35, 1.90], 0, [0]),
    "far, and then not": ([1.40, 1.10, 1.10], [1.25, 1.10, 1.10], 0, [0]),
    "what is too near in a sketch does not count": ([0.95, 1.10, 1.20, 1.15], [1.10, 1.10, 1.20, 1.15], 2, [2]),
    "what fails when it is made counts, but not before the first": ([1.10, 1.20, 1.15], [0.90, 0.95, 1.12], 2, [1, 2]),
    "all are made before a cover, the farthest first": ([0.90, 0.95, 0.85], [0.90, 0.98, 1.10], 2, [1, 0, 2]),
    "a cover at last": ([0.90, 0.95, 1.10], [0.90, 0.95, 0.98], 3, [2, 1, 0]),
}


@pytest.mark.parametrize(("sketched", "made", "kept", "order"), SKETCHES.values(), ids=SKETCHES.keys())
def test_what_a_sketch_promises_is_made_first(sketched: list[float], made: list[float], kept: int, order: list[int]) -> None:
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    gate: Any = _Gate()
    in_order = list[int]()

    def make(number: int) -> Attempt[Level]:
        in_order.append(number)
        return _attempt(level, made[number] * THRESHOLD)

    attempts: list[Any] = [Sketched(level, m, FITS, partial(make, number)) for number, m in enumerate(sketched)]
    attempts.append(_attempt(next(fallback.covers(Models(Options()))), 1.0))
    best_one, failed = best(gate, SOURCE, attempts, 2)
    assert best_one is not None
    assert in_order == order
    stays = made[kept] * THRESHOLD if kept < len(made) else 1.0
    assert best_one.check.distances[0].value == pytest.approx(stays)
    assert len(failed) == next((i for i, m in enumerate(sketched) if (i not in order and m > 1) or (i in order and made[i] > 1)), len(made))


def test_a_sketch_that_does_not_fit_is_made_only_for_want_of_others() -> None:
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    gate: Any = _Gate()
    unfit = Sketched(level, 1.9, Fit(0.9, 0.1, 0.3), lambda: pytest.fail("another one passes"))
    kept, failed = best(gate, SOURCE, [unfit, Sketched(level, 1.1, FITS, lambda: _attempt(level, 0.6))], 2)
    assert kept is not None
    assert kept.check.distances[0].value == 0.6
    assert failed == ["attgan x1: the stand-in does not fit the photo: 0.24 < 0.38, the portrait is bent too far"]


def test_a_cover_follows_only_where_nothing_stays_in_the_end() -> None:
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    for looks, stays in (([0.44, 0.44], "attgan"), ([0.44, 0.30], "blur")):
        gate: Any = _Gate(1.0, looks)
        attempts = [replace(_attempt(level, 0.0), verdict_before=None), _attempt(next(fallback.covers(Models(Options()))), 1.0)]
        kept, failed = best(gate, SOURCE, attempts, 2)
        assert kept is not None
        assert kept.attempt.level.editor.name == stays
        assert failed == ([] if stays == "attgan" else ["attgan x1: too near"])


def test_tries_that_wait_for_a_closer_look_keep_no_photos() -> None:
    """A photo of 16 megapixels with its map takes 64 MB."""
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    attempt = replace(_attempt(level, 0.0), verdict_before=None)
    assert attempt.show(0).whole is not None
    gate: Any = _Gate()
    kept, _ = best(gate, SOURCE, [attempt], 0)
    assert kept is not None
    assert kept.shown.whole is None


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
    assert gate.n_looks == [], "what is refused anyway need not be measured"


@pytest.mark.parametrize(("in_glasses", "passes"), [(False, True), (True, False)])
def test_in_the_same_glasses_a_face_must_be_farther(in_glasses: bool, passes: bool) -> None:
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    gate: Any = _Gate()
    near = replace(_attempt(level, 1.03 * THRESHOLD), in_glasses=in_glasses)
    kept, failed = best(gate, SOURCE, [near], 0)
    assert (kept is not None) == passes
    assert failed == ([] if passes else ["attgan x1: too near for the same glasses: 1.03 < 1.05 thresholds"])


def _worn(level: Level, *distances: float) -> list[Attempt[Level]]:
    return [replace(_attempt(level, d), in_glasses=True) for d in distances]


def test_a_face_in_glasses_comes_before_a_farther_one_without() -> None:
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    gate: Any = _Gate()
    worn, bare = _worn(level, 0.39, 0.42, 0.43), [_attempt(level, 0.7)]
    kept, failed = best(gate, SOURCE, [*worn, *bare], 2)
    assert kept is not None
    assert (kept.attempt, len(failed)) == (worn[2], 1)
    kept, failed = best(gate, SOURCE, [*_worn(level, 0.39, 0.2), *bare], 2)
    assert kept is not None
    assert (kept.attempt, len(failed)) == (bare[0], 2)


def test_in_glasses_more_are_tried_for_the_farthest() -> None:
    """Behind the same ones faces are more alike."""
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    gate: Any = _Gate()
    distances = 0.42, 0.421, 0.422, 0.423, 0.424, 0.425, 0.45, 0.46
    for attempts, number in ((_worn(level, *distances), 6), ([_attempt(level, d) for d in distances], 2)):
        kept, _ = best(gate, SOURCE, attempts, 2)
        assert kept is not None
        assert kept.attempt is attempts[number]


def test_in_glasses_none_is_made_that_a_sketch_shows_too_near() -> None:
    level = next(fallback.new_faces(Options(), AttganEditor(network=Generator(2))))
    gate: Any = _Gate()
    near = Sketched(level, 1.03, FITS, lambda: pytest.fail("its sketch is too near"), in_glasses=True)
    made = _attempt(level, 0.43)
    kept, failed = best(gate, SOURCE, [near, Sketched(level, 1.03, FITS, lambda: made)], 2)
    assert kept is not None
    assert kept.attempt is made
    assert failed == ["attgan x1: too near in a sketch: 1.03 thresholds"]


def test_only_one_colour_needs_no_distance() -> None:
    gate: Any = _Gate(covers=0.1)
    kept, failed = best(gate, SOURCE, (_attempt(level, 0.0) for level in fallback.covers(Models(Options(method="blur")))), 0)
    assert kept is not None
    assert kept.shown.edited.method == "solid"
    assert len(failed) == 3
