"""The tracks of a video as a person sees them and decides about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.parts import Engine
from deid.core import seeds
from deid.core.types import Detection
from deid.serve import levels
from deid.serve.corrections import Correction, Decision
from deid.serve.record import Record
from deid.serve.work import named
from deid.video.enrolment import Choice
from deid.video.results import LEFT, TrackSummary
from deid.video.steady import clarity

#: Below these a track is worth a person's look: the best score, seconds, share of the frames in which it was seen.
_UNSURE, _SHORT_S, _SEEN = 0.95, 0.5, 0.6


@dataclass(slots=True, eq=False)
class TrackCard:
    """One track, as a person sees it.

    Args:
        track: its number; it never changes.
        origin: `detector`, `drawn`, or `last detection`.
        summary: its result.
        decision: what a person decided.
        turn: number of requests for another new face.
        portrait: the frame that shows it best, where, and how well.
        note: which part of the request was not possible.
    """

    track: int
    origin: str
    summary: TrackSummary | None = None
    decision: Decision = field(default_factory=Decision)
    turn: int = 0
    portrait: tuple[int, Detection, float] | None = None
    note: str = ""


class Cards:
    """The cards of one video, by track."""

    def __init__(self) -> None:
        self._cards: dict[int, TrackCard] = {}
        self._people: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._cards)

    @property
    def left(self) -> list[int]:
        """The tracks that are left as they are."""
        return [t for t, card in self._cards.items() if card.decision.leaves]

    def decided(self, action: str) -> set[int]:
        """The tracks with a decision."""
        return {t for t, card in self._cards.items() if card.decision.action == action}

    def add(self, track: int, origin: str) -> None:
        """A new track."""
        self._cards[track] = TrackCard(track, origin)

    def name_people(self, tracks: Iterable[TrackSummary]) -> None:
        """Keep the person of each track: a later edit of the video may number people differently."""
        self._people = {t.track: t.person for t in tracks}

    def summarize(self, tracks: Iterable[TrackSummary]) -> None:
        """Keep the results of the tracks."""
        for summary in tracks:
            self._cards.setdefault(summary.track, TrackCard(summary.track, "detector")).summary = summary

    def decide(self, correction: Correction) -> list[int]:
        """Take a decision down; returns the tracks that it says are faces."""
        assert correction.face is not None
        card, again = self._cards[correction.face], correction.action == "again"
        turn = card.turn + again
        # A person has one new face: it changes in all of the person's tracks.
        affected = [c for c in self._cards.values() if self._person(c.track) == self._person(card.track)] if again else [card]
        for each in affected:
            each.decision = Decision(correction.action, correction.method, correction.strength)  # type: ignore[arg-type]
            each.turn, each.note = turn, ""
        return [each.track for each in affected] if again else []

    def _person(self, track: int) -> int:
        return self._people.get(track, -1 - track)

    def choices(self, engine: Engine, video_seed: int) -> dict[int, Choice]:
        """Choices for the editor by the decisions; everybody else keeps the first face."""
        choices = {}
        for track, card in self._cards.items():
            person = self._people.get(track)
            seed = levels.face_seed(video_seed, track if person is None else person, card.turn) if card.turn else None
            if seed is None and person is not None:
                seed = seeds.seed_of(video_seed, person)
            covers = levels.chosen_covers(engine, card.decision) if card.decision.action == "cover" else ()
            choices[track] = Choice(card.decision.leaves, covers, seed)
        return choices

    def best_in(self, index: int, record: Record) -> list[tuple[int, NDArray[np.float64]]]:
        """The tracks that a frame shows best, so far, with their boxes (4,)."""
        for track, views in record.portraits.get(index, {}).items():
            self._nominate(track, views)
        here = {face.track: face.detection for face in record.faces[index]}
        for track, detection in here.items():
            self._nominate(track, [(index, detection)] if track not in self._cards or self._cards[track].portrait is None else [])
        shown = [(t, card.portrait) for t, card in self._cards.items() if card.portrait is not None]
        return [(t, portrait[1].box_xyxy) for t, portrait in shown if portrait[0] == index]

    def _nominate(self, track: int, views: Iterable[tuple[int, Detection]]) -> None:
        card = self._cards.setdefault(track, TrackCard(track, "detector"))
        for index, detection in views:
            value = clarity(detection)
            if card.portrait is None or value > card.portrait[2]:
                card.portrait = (index, detection, value)

    def as_plain(self, times_s: Sequence[float], rate: float, method: str) -> tuple[dict[str, Any], ...]:
        """All of them as plain values; numbers of tracks have gaps where two were joined, the list must not."""
        cards = (self._cards.get(t, TrackCard(t, "joined")) for t in range(max(self._cards, default=-1) + 1))
        return tuple(_as_plain(card, times_s, rate, method) for card in cards)


def _as_plain(card: TrackCard, times: Sequence[float], rate: float, method: str) -> dict[str, Any]:
    summary = card.summary
    begin = 0.0 if summary is None else times[summary.first] - times[0]
    end = 0.0 if summary is None else times[min(summary.last, len(times) - 1)] - times[0]
    most = "" if summary is None or not summary.methods else summary.methods.most_common(1)[0][0]
    return {
        "face": card.track,
        "shown": summary is not None,
        "origin": card.origin,
        "score": 0.0 if summary is None else round(summary.score, 4),
        "seconds": [round(begin, 3), round(end, 3)],
        "portrait": None if card.portrait is None else card.portrait[0],
        "decision": card.decision.to_dict(),
        "done": named(card.decision, most, card.decision.strength),
        "doubts": _doubts(summary, card.decision, rate, method),
        "note": card.note,
        "now": summary.to_dict() if summary is not None else {},
    }


def _doubts(summary: TrackSummary | None, decision: Decision, rate: float, method: str) -> list[str]:
    """Why a track is worth a person's look; nothing once a person has decided."""
    if summary is None or decision.action != "restore":
        return []
    n, found = max(1, sum(summary.states.values())), []
    if summary.score < _UNSURE:
        found.append(f"the detector is never surer than {summary.score:.2f}")
    if n < _SHORT_S * rate:
        found.append(f"short: {n / rate:.1f} s")
    covered = sum(count for name, count in summary.methods.items() if name not in (method, LEFT))
    if method == "attgan" and covered:
        found.append(f"covered in {covered / n:.0%} of its frames")
    if (seen := summary.states["seen"] / n) < _SEEN:
        found.append(f"lost: seen in {seen:.0%} of its frames")
    return found
