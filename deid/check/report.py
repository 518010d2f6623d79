"""Results of a check, and its verdict."""

import math
from dataclasses import dataclass, field
from typing import Any

from deid.check.folders import Problem
from deid.check.limits import Limits

#: Problems that leave a file, or a part of one, unchecked; what is unreadable fails.
_LEFT_OUT = {"missing", "extra", "kind", "frames", "short"}


@dataclass(frozen=True, slots=True)
class Counts:
    """Faces of photos, or faces in frames of videos.

    Args:
        faces: found before.
        unchanged: as they were.
        exposed: unchanged, or, in photos, still recognised.
        judged: that the recognisers compared; in videos, a few of each track.
        recognised: of these, matched to the same person.
        found: detected again after.
    """

    faces: int = 0
    unchanged: int = 0
    exposed: int = 0
    judged: int = 0
    recognised: int = 0
    found: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in Counts.__slots__))

    def share(self, name: str) -> float:
        """Share of the judged faces; NaN when there are none."""
        of = self.judged if name == "recognised" else self.faces
        return float(getattr(self, name)) / of if of else math.nan


@dataclass(frozen=True, slots=True)
class FileFindings:
    """What was found in one file.

    Args:
        name: path within the folders, with slashes; a picture's further frames have ``#`` and a number.
        video: whether it is a video.
        counts: of its faces.
        metadata: metadata left in the output.
        faces: plain values of each face, without pixels.
    """

    name: str
    video: bool
    counts: Counts
    metadata: tuple[str, ...] = ()
    faces: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole check.

    Args:
        before: the input's name.
        after: the output's name.
        limits: the limits.
        detectors: detectors.
        recognisers: who recognised them, with the distance under which two faces are one person's.
        files: findings, a file at a time.
        recall: by detector: share of its own faces before that it finds after in the same place; photos alone.
        problems: what is wrong with files.
    """

    before: str
    after: str
    limits: Limits
    detectors: tuple[str, ...]
    recognisers: dict[str, float]
    files: tuple[FileFindings, ...]
    recall: dict[str, float] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def counts(self) -> Counts:
        """Counts of all files together."""
        return sum((file.counts for file in self.files), Counts())

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does not pass; empty when it does."""
        counts, limits = self.counts, self.limits
        reasons = [f"cannot read {p.file}: {p.detail}" for p in self.problems if p.kind == "unreadable"]
        for name, limit, of in (("exposed", limits.exposed, counts.faces), ("recognised", limits.recognised, counts.judged)):
            # What a video shows must not be lost among many photos, nor the other way round.
            worst = max((self._share(name, video) for video in (False, True)), default=0.0)
            if worst > limit:
                reasons.append(f"{getattr(counts, name)} of {of} faces {name}, {worst:.2%} > {limit:.2%}")
        found = counts.share("found")
        if counts.faces and found < limits.recall:
            reasons.append(f"recall {found:.2%} < {limits.recall:.2%}")
        left = [file for file in self.files if file.metadata]
        if left and not limits.metadata:
            reasons.append(f"metadata left in {len(left)} files, such as {left[0].name}: {'; '.join(left[0].metadata)}")
        return tuple(reasons)

    def _share(self, name: str, video: bool) -> float:
        share = sum((file.counts for file in self.files if file.video == video), Counts()).share(name)
        return 0.0 if math.isnan(share) else share

    @property
    def passed(self) -> bool:
        return not self.reasons

    @property
    def left_out(self) -> tuple[Problem, ...]:
        """Files that were not checked, or not wholly."""
        return tuple(p for p in self.problems if p.kind in _LEFT_OUT)

    def line(self) -> str:
        """The check in a line."""
        counts, photos = self.counts, sum(not file.video for file in self.files)
        said = f"{photos} photos" if photos == len(self.files) else f"{photos} photos and {len(self.files) - photos} videos"
        recall = "" if not counts.faces else f", {counts.found} found again (recall {counts.share('found'):.1%})"
        faces = f"{counts.faces} faces: {counts.exposed} exposed, {counts.recognised} of {counts.judged} recognised{recall}"
        left = sum(bool(file.metadata) for file in self.files)
        return f"{'passes' if self.passed else 'FAILS'}: {said}, {faces}; metadata left in {left} files" + (
            f"; {len(self.left_out)} files left out" if self.left_out else ""
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a share of nothing is null."""
        counts = self.counts
        return {
            "before": self.before,
            "after": self.after,
            "passed": self.passed,
            "reasons": list(self.reasons),
            "limits": {name: getattr(self.limits, name) for name in Limits.__slots__},
            "detectors": list(self.detectors),
            "recognisers": {name: round(value, 4) for name, value in self.recognisers.items()},
            "totals": _plain(counts)
            | {f"{name}_share": _number(counts.share(name)) for name in ("unchanged", "exposed", "recognised", "found")}
            | {"recall": {name: _number(value) for name, value in self.recall.items()}},
            "files": [_file(file) for file in self.files],
            "problems": [{"file": p.file, "kind": p.kind, "detail": p.detail} for p in self.problems],
        }


def _plain(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in Counts.__slots__}


def _file(file: FileFindings) -> dict[str, Any]:
    kind = "film" if file.video else "photo"
    return {"file": file.name, "kind": kind, **_plain(file.counts), "metadata": list(file.metadata), "faces": list(file.faces)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
