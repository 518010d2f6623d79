"""The part of a video to anonymize, and the result for it and for each of its tracks."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from deid.boxes.types import BoxedFile
from deid.core.errors import ConfigError

#: What a face is counted as that was left as it is.
LEFT = "left"


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a video to anonymize, and whether its sound is kept.

    Args:
        start_s: first second of the part.
        end_s: second at which the part ends, exclusive; None for the end of the video.
        audio: `keep` copies the sound bit for bit, `drop` leaves it out.

    Raises:
        ConfigError: the end is not after the start, or ``audio`` is neither.
    """

    start_s: float = 0.0
    end_s: float | None = None
    audio: str = "keep"

    def __post_init__(self) -> None:
        if self.start_s < 0 or (self.end_s is not None and self.end_s <= self.start_s):
            raise ConfigError(f"expected 0 <= start < end, got {self.start_s} and {self.end_s}")
        if self.audio not in ("keep", "drop"):
            raise ConfigError(f"expected audio to be keep or drop, got {self.audio!r}")


@dataclass(frozen=True, slots=True)
class KeptTrack:
    """A track that was left as it is, because somebody asked for it.

    Args:
        track: its number.
        first: its first frame.
        last: its last frame.
        why: in words.
    """

    track: int
    first: int
    last: int
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"track": self.track, "frames": [self.first, self.last], "status": "kept", "why": [self.why]}


@dataclass(slots=True, eq=False)
class TrackSummary:
    """What became of one track: plain sums, so that a long video's report stays short.

    Args:
        track: its number.
        person: number of its person.
        first: its first frame.
        last: its last frame.
        states: frames by how the face was found.
        methods: frames by what is in the face's place.
        score: the detector's best.
        distance: the least distance to the face before, in units of the threshold; None where no new face was pasted.
        asked: whether the requested method passed in any frame, and not only stronger covers in its place.
    """

    track: int
    person: int
    first: int
    last: int
    states: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    score: float = 0.0
    distance: float | None = None
    asked: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "track": self.track,
            "person": self.person,
            "frames": [self.first, self.last],
            "states": dict(self.states),
            "methods": dict(self.methods),
            "score": round(self.score, 4),
            "status": "passed" if self.asked else "fallback",
            "least_distance_in_thresholds": None if self.distance is None else round(self.distance, 3),
        }


@dataclass(frozen=True, slots=True, eq=False)
class VideoResult:
    """The result for a video.

    Args:
        n_frames: number of frames written.
        n_people: number of people, as far as the gate's recogniser distinguishes its tracks.
        tracks: a summary of each track.
        seed: what the new faces were drawn from. It repeats them: do not publish it.
        problem: which part of the video could not be read; empty when all could.
        notes: streams that were left out, and other differences to the input.
        kept: tracks that stay as they are.
        boxes: of every frame; None where nobody asked to keep them.
    """

    n_frames: int
    n_people: int
    tracks: tuple[TrackSummary, ...]
    seed: int
    problem: str = ""
    notes: tuple[str, ...] = ()
    kept: tuple[KeptTrack, ...] = ()
    boxes: BoxedFile | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "frames": self.n_frames,
            "people": self.n_people,
            "seed": self.seed,
            "problem": self.problem or None,
            "notes": list(self.notes),
            "tracks": [track.to_dict() for track in self.tracks] + [track.to_dict() for track in self.kept],
        }
