"""One upload and where it stands."""

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from deid.serve.uploads import Upload
from deid.serve.work import Work

State: TypeAlias = Literal["queued", "working", "ready", "saved", "failed", "cancelled"]


class Cancelled(Exception):  # noqa: N818
    """Nobody waits for the work any more."""


@dataclass(slots=True)
class Step:
    """Current step of a job.

    Args:
        name: in words.
        done: how much of it.
        total: of how much; 0 when unknown.
        began: when, by `time.monotonic`.
    """

    name: str = ""
    done: int = 0
    total: int = 0
    began: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the rate and the time left in seconds."""
        spent = time.monotonic() - self.began
        rate = self.done / spent if self.done and spent > 0 else None
        left = (self.total - self.done) / rate if rate and self.total else None
        return {
            "step": self.name,
            "done": self.done,
            "total": self.total,
            "rate": None if rate is None else round(rate, 3),
            "seconds_left": None if left is None else round(left, 1),
        }


@dataclass(slots=True, eq=False)
class Job:
    """One upload.

    Args:
        upload: the file.
        kind: `photo` or `film`.
        session: whose it is.
        seed: for reproducible output; None for a fresh one.
        id: nobody guesses it.
        state: `queued`, `working`, `ready` to be looked at, `saved`, `failed`, or `cancelled`.
        error: why it failed; of a job that is ready, why the last step was not done.
        pending: steps that wait or run.
        opened: whether it has come so far that a person can look at it.
        version: changes whenever anything that is shown does.
    """

    upload: Upload
    kind: str
    session: str
    seed: int | None = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = "queued"
    error: str = ""
    step: Step = field(default_factory=Step)
    pending: int = 0
    opened: bool = False
    version: int = 0
    work: Work | None = None
    created: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """End it at the next step."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def progress(self, name: str, done: int, total: int) -> None:
        """Take note of a step; the work calls it.

        Raises:
            Cancelled: nobody waits for it any more.
        """
        if self.is_cancelled:
            raise Cancelled
        if name != self.step.name:
            self.step = Step(name, done, total, time.monotonic())
        else:
            self.step.done, self.step.total = done, total
        self.version += 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        faces = self.work.faces if self.work is not None else ()
        return {
            "id": self.id,
            "name": self.upload.name,
            "kind": self.kind,
            "state": self.state,
            "error": self.error or None,
            "progress": self.step.to_dict() if self.state == "working" else None,
            "pending": self.pending,
            "faces": sum(bool(face["shown"]) for face in faces),
            "doubtful": sum(bool(face["shown"] and face["doubts"]) for face in faces),
            "saved": self.state == "saved",
            "opened": self.opened,
            "version": self.version,
            "seconds": round(self.seconds, 2),
        }
