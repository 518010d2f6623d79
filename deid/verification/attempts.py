"""The attempts at one face, from level to level: which one is published, with the gate's verdict on it."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from deid.compositing.fit import Fit
from deid.compositing.proposal import Proposal, Shown
from deid.core.comparison import below
from deid.core.protocols import Editor
from deid.core.types import Verification
from deid.imaging import geometry
from deid.recognition.source_face import SourceFace
from deid.verification.gate import Gate
from deid.verification.ranking import is_far, margin, promising

#: A detection counts as edited when this share of its middle was.
LEAST_EDITED = 0.6
#: A stand-in that fits less is distorted, hidden, or meets the photo in a visible border (see `deid.compositing.fit`).
LEAST_FIT = 0.38
#: In the same glasses a new face lies so many thresholds away at least: other recognisers see more of them, and one that is a tenth beyond
#: the threshold is as near for those as one without glasses that hardly is.
LEAST_IN_GLASSES = 1.05
#: So many rounds more are sketched in glasses: behind the same ones faces are more alike, and most are too near.
_MORE_IN_GLASSES = 4


class Step(Protocol):
    """A fallback level; see `deid.anonymizer.request.Level`."""

    @property
    def editor(self) -> Editor: ...

    @property
    def strength(self) -> float: ...

    @property
    def pastes_face(self) -> bool: ...

    @property
    def last(self) -> bool: ...

    @property
    def draws(self) -> bool: ...

    @property
    def accepted(self) -> bool: ...


Level = TypeVar("Level", bound=Step)


@dataclass(frozen=True, slots=True, eq=False)
class Attempt(Generic[Level]):
    """What one level makes of a face.

    Args:
        level: the level.
        show: gives the photo with the new face of this number, or with the cover.
        proposals: N new faces, of which the most promising are shown; none where there is only one thing to show.
        expected: (M,) what the selector expects of each, see `promising`.
        verdict_before: what the gate said of it in an earlier frame of a video; None to judge it.
        in_glasses: whether it wears glasses of the photo's.
    """

    level: Level
    show: Callable[[int], Shown]
    proposals: Sequence[Proposal] = ()
    expected: NDArray[np.float64] = field(default_factory=lambda: np.ones(1))
    verdict_before: Verification | None = None
    in_glasses: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sketched(Generic[Level]):
    """What one level would make of a face. What its edit moves is small beside what lies between two portraits.

    Args:
        level: the level.
        margin: how far its stand-in is from the face before, by a glance at a sketch, see `Gate.glance`.
        fit: how well that fits the photo.
        make: makes it.
        in_glasses: whether it wears glasses of the photo's.
    """

    level: Level
    margin: float
    fit: Fit
    make: Callable[[], Attempt[Level]]
    in_glasses: bool = False

    @property
    def reasons(self) -> list[str]:
        """Why it is only made where no other may stay."""
        is_near = self.margin < LEAST_IN_GLASSES if self.in_glasses else self.margin <= 1
        near = [f"too near in a sketch: {self.margin:.2f} thresholds"] if is_near else []
        return near + _unfit(self.fit)


@dataclass(frozen=True, slots=True, eq=False)
class Judged(Generic[Level]):
    """A new face or a cover in the photo, and the verdict on it.

    Args:
        attempt: that it is one of.
        number: of the attempt's proposals.
        shown: the photo with it.
        check: the verdict.
    """

    attempt: Attempt[Level]
    number: int
    shown: Shown
    check: Verification

    @property
    def may_stay(self) -> bool:
        """Whether it passes, or nothing harder follows."""
        return self.check.passed or self.attempt.level.last


class _Kind(IntEnum):
    """Of an attempt; what comes first is tried first, and is kept in place of all that come after."""

    IN_GLASSES = 0
    BARE = 1
    COVER = 2


def best(
    gate: Gate, source: SourceFace, attempts: Iterable[Attempt[Level] | Sketched[Level]], further_rounds: int
) -> tuple[Judged[Level] | None, list[str]]:
    """The first attempt that passes; where its new face is near the one before, the farthest of a few.

    A face in its photo's glasses comes before any without, and any before a cover. None is made or looked at that cannot be it by what is
    known.

    Args:
        gate: judges them.
        source: the face before.
        attempts: mildest first; the next one is only asked for when the ones before do not do.
        further_rounds: how many more are tried for a new face that passes but is near the one before.

    Returns:
        What is to stay, None when nothing passed; and why each of those before may not.
    """
    left, tries, kind = _Attempts(attempts), list[_Try[Level]](), _Kind.IN_GLASSES
    while True:
        more = _MORE_IN_GLASSES if kind is _Kind.IN_GLASSES and further_rounds else 0
        kept, is_enough = _to_stay(tries, further_rounds + more)
        if not is_enough and (attempt := left.next(kind)) is not None:
            tries.append(_Try(gate, source, attempt, 1.0 if kept is None else kept.margin))
        elif kept is None and kind is _Kind.BARE and (unmade := [one for one in tries if one.judged is None and one.kind is kind]):
            max(unmade, key=lambda one: one.margin).look_closer()
        elif kept is None and kind is not _Kind.COVER:
            kind = _Kind(kind + 1)
        elif kept is None or not kept.look_closer():
            failed = itertools.takewhile(lambda one: not one.may_stay, tries)
            return (None if kept is None else kept.judged), [one.why_not for one in failed]


def _to_stay(tries: Sequence["_Try[Level]"], further_rounds: int) -> tuple["_Try[Level] | None", bool]:
    """Which one stays if none turns out worse than it looks by now, and whether no other need be tried."""
    kept: _Try[Level] | None = None
    for one in tries:
        if one.may_stay and (kept is None or one.margin > kept.margin):
            kept = one
        if kept is not None and (further_rounds == 0 or not kept.may_be_farther):
            return kept, True
        further_rounds -= kept is not None
    return kept, False


class _Attempts(Generic[Level]):
    """What is left of a face's attempts."""

    def __init__(self, attempts: Iterable[Attempt[Level] | Sketched[Level]]) -> None:
        self._attempts, self._held_back = iter(attempts), list[Attempt[Level] | Sketched[Level]]()

    def next(self, last: _Kind) -> Attempt[Level] | Sketched[Level] | None:
        """The next one; None where it is of a kind that comes after the last one wanted."""
        attempt = self._held_back.pop() if self._held_back else next(self._attempts, None)
        if attempt is not None and _kind_of(attempt) > last:
            self._held_back.append(attempt)
            return None
        return attempt


def _kind_of(attempt: Attempt[Level] | Sketched[Level]) -> _Kind:
    if not attempt.level.pastes_face:
        return _Kind.COVER
    return _Kind.IN_GLASSES if attempt.in_glasses else _Kind.BARE


class _Try(Generic[Level]):
    """An attempt that is made and judged as far as is wanted: of most it is soon known that another one is farther.

    Args:
        gate: judges it.
        source: the face before.
        attempt: what is judged.
        needed: by how many thresholds one of several new faces must be farther to be of use.
    """

    def __init__(self, gate: Gate, source: SourceFace, attempt: Attempt[Level] | Sketched[Level], needed: float) -> None:
        self._gate, self._source, self._attempt = gate, source, attempt
        self._looks: Iterator[Verification] = iter(())
        self.judged = None if isinstance(attempt, Sketched) else self._first_look(attempt, needed)

    @property
    def margin(self) -> float:
        """How far it is, as far as is known; a closer look seldom makes it farther than a sketch, and never than another look."""
        if self.judged is not None:
            return margin(self.judged.check)
        assert isinstance(self._attempt, Sketched)
        return self._attempt.margin

    @property
    def may_stay(self) -> bool:
        """Whether it passes, as far as is known, or nothing harder follows."""
        return not self._reasons if self.judged is None else self.judged.may_stay

    @property
    def kind(self) -> _Kind:
        return _kind_of(self._attempt)

    @property
    def may_be_farther(self) -> bool:
        """Whether it is near the face before, and another may be drawn."""
        level = self._attempt.level
        return level.draws and not is_far(self.margin)

    @property
    def why_not(self) -> str:
        """Why it may not stay."""
        level = self._attempt.level
        method = level.editor.name if self.judged is None else self.judged.shown.edited.method
        return f"{method} x{level.strength:g}: {'; '.join(self._reasons)}"

    @property
    def _reasons(self) -> Sequence[str]:
        if self.judged is not None:
            return self.judged.check.reasons
        assert isinstance(self._attempt, Sketched)
        return self._attempt.reasons

    def look_closer(self) -> bool:
        """Make it, or judge it more surely; false when nothing more is to be known."""
        if self.judged is None:
            assert isinstance(self._attempt, Sketched)
            self.judged = self._first_look(self._attempt.make(), 1.0)
            return True
        check = next(self._looks, None)
        if check is not None:
            self.judged = replace(self.judged, check=check)
        return check is not None

    def _first_look(self, attempt: Attempt[Level], needed: float) -> Judged[Level]:
        numbers = _promising(self._gate, self._source, attempt)
        if len(numbers) > 1 or not attempt.level.pastes_face:
            return first_passing(self._gate, self._source, attempt, needed)
        # The whole photo is made again for a closer look: those of several tries take much memory.
        part = replace(attempt.show(numbers[0]), whole=None)
        self._looks = _looks(self._gate, self._source, attempt, part)
        return Judged(attempt, numbers[0], part, next(self._looks))


def first_passing(gate: Gate, source: SourceFace, attempt: Attempt[Level], needed: float = 1.0) -> Judged[Level]:
    """The most promising one of an attempt that passes by more than the thresholds needed; the most promising one where none does."""
    first = None
    for one in judged(gate, source, attempt, needed):
        if one.check.passed:
            return one
        first = first or one
    assert first is not None  # at least one is promising
    return first


def judged(gate: Gate, source: SourceFace, attempt: Attempt[Level], needed: float = 1.0) -> Iterator[Judged[Level]]:
    """The most promising ones of an attempt, best first, each shown and judged in the photo: at least one."""
    for number in _promising(gate, source, attempt):
        shown = attempt.show(number)
        is_new = attempt.level.pastes_face
        check = _of_new_face(gate, source, attempt, shown, needed) if is_new else _of_cover(gate, source, attempt, shown)
        yield Judged(attempt, number, shown, check)


def _promising(gate: Gate, source: SourceFace, attempt: Attempt[Level]) -> list[int]:
    """Numbers of the proposals that are shown at all, best first: of one it is known without measuring."""
    proposals = attempt.proposals
    if len(proposals) < 2:
        return [0]
    checks = gate.measure(source, np.stack([p.blended for p in proposals]), attempt.level.accepted)
    return promising(checks, [p.fit.value for p in proposals], attempt.expected)


def _of_new_face(gate: Gate, source: SourceFace, attempt: Attempt[Level], shown: Shown, needed: float) -> Verification:
    """The gate's verdict on a new face, in full only where it passes by more than the thresholds needed."""
    check: Verification | None = None
    for check in _looks(gate, source, attempt, shown):
        if not check.passed:
            return check
        if margin(check) <= needed:
            return replace(check, reasons=(f"{margin(check):.2f} thresholds away, not more than {needed:.2f}",))
    assert check is not None  # there is at least one look
    return check


def _looks(gate: Gate, source: SourceFace, attempt: Attempt[Level], shown: Shown) -> Iterator[Verification]:
    """Ever surer verdicts on a new face, at least one. Looking takes most of the time: one that is refused without, because it does not fit
    or changes too little of the detection, is not looked at."""
    before, misfits = attempt.verdict_before, _misfits(source, attempt, shown)
    if before is None and misfits:
        yield Verification((), False, 0.0, source.male, source.male, None, tuple(misfits))
        return
    in_glasses = attempt.level.draws and attempt.in_glasses
    looks = gate.looks(source, lambda: shown.image, attempt.level.accepted) if before is None else [before]
    for check in looks:
        more = list(misfits)
        if in_glasses and margin(check) < LEAST_IN_GLASSES:
            more.append(f"too near for the same glasses: {below(margin(check), LEAST_IN_GLASSES)} thresholds")
        yield replace(check, reasons=(*check.reasons, *more))


def _misfits(source: SourceFace, attempt: Attempt[Level], shown: Shown) -> list[str]:
    """Why a new face does not fit its photo."""
    # In a video, one poor frame is no reason to cover a face.
    found = _unfit(shown.fit) if attempt.verdict_before is None and attempt.level.draws else []
    if (share := geometry.share_of_middle(source.detection.box_xyxy, shown.touched)) < LEAST_EDITED:
        found.append(f"only {share:.0%} of the middle of the box is edited")
    return found


def _unfit(fit: Fit) -> list[str]:
    return [f"the stand-in does not fit the photo: {below(fit.value, LEAST_FIT)}, {fit.worst}"] if fit.value < LEAST_FIT else []


def _of_cover(gate: Gate, source: SourceFace, attempt: Attempt[Level], shown: Shown) -> Verification:
    """The gate's verdict on a filter over the face."""
    check = gate.cover(source, shown.image)
    # Under one colour there is nothing left to recognise, whatever an embedder makes of it.
    # Embedders of faces say nothing about a licence plate.
    says_nothing = attempt.level.editor.name == "solid" or source.detection.label != "face"
    return replace(check, reasons=()) if says_nothing else check
