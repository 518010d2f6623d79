"""The faces of a photo as a person sees them and decides about them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from deid.anonymizer.parts import Engine
from deid.anonymizer.request import Level
from deid.core.types import Detection, FaceResult, Image
from deid.serve import levels
from deid.serve.corrections import Decision
from deid.serve.work import doubts, named

#: What the page shows of a face's result.
_SHOWN = ("method", "status", "strength", "why", "distances", "redetected", "iou", "gender_before", "gender_after", "realism")


@dataclass(slots=True, eq=False)
class Face:
    """One face of one frame.

    Args:
        number: its name in this photo, from 0; it never changes.
        frame: which frame it is in.
        detection: where.
        origin: `detector`, `drawn` by a person, or `last detection`, which looks at the result.
        first: what the program made of it; None for a drawn face until it has been rendered.
        now: what has become of it; None when it is left as it is.
        decision: what a person decided.
        turn: number of requests for another new face.
        levels: the requested new face.
        note: which part of the request was not possible.
    """

    number: int
    frame: int
    detection: Detection
    origin: str
    first: FaceResult | None = None
    now: FaceResult | None = None
    decision: Decision = field(default_factory=Decision)
    turn: int = 0
    levels: list[Level] | None = None
    note: str = ""

    def tried(self, engine: Engine, photo_seed: int, image: Image, others: "Iterable[Face]") -> list[Level]:
        """Levels to try on the face by its decision; a new face shares no portrait with ``others``."""
        if self.decision.action == "cover":
            return list(levels.chosen_covers(engine, self.decision))
        if self.decision.action == "restore" and self.first is not None:
            return levels.again(engine, self.first)
        if self.levels is None:
            results = [result for other in others if (result := other.now or other.first) is not None]
            seed = levels.face_seed(photo_seed, self.number, self.turn)
            self.levels = levels.new_face(engine, (image, self.detection), seed, results)
            if self.levels is None:
                self.note = "" if engine.options.method != "attgan" else "no new face fits here: it is covered"
                self.levels = levels.covers(engine)
        return self.levels

    def as_plain(self, shown: bool, wanted: str) -> dict[str, Any]:
        """Plain values for JSON; ``wanted`` is the requested method."""
        result = {} if self.now is None else self.now.to_dict()
        method, strength = ("", 1.0) if self.now is None else (self.now.method, self.now.strength)
        return {
            "face": self.number,
            "frame": self.frame,
            "shown": shown,
            "origin": self.origin,
            "box_xyxy": [round(float(v), 2) for v in self.detection.box_xyxy],
            "score": round((self.first or self).detection.score, 4),
            "decision": self.decision.to_dict(),
            "done": named(self.decision, method, strength),
            "doubts": doubts(self.detection, method != "attgan" and wanted == "attgan", self.decision),
            "note": self.note,
            "now": {key: result[key] for key in _SHOWN if key in result},
        }
