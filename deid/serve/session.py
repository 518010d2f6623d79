"""Sessions: what each page, or each client of the REST interface, works on."""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deid.serve.jobs import Job
from deid.serve.limits import Limits
from deid.serve.uploads import NotThereError, TooLargeError

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Session:
    """Files of one page, or of one client of the REST interface.

    Args:
        id: nobody guesses it.
        jobs: by number.
        pages: event streams that are open.
        seen: when it was last heard of, by `time.monotonic`.
        had_page: whether a page has ever been open.
    """

    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    jobs: dict[str, Job] = field(default_factory=dict)
    pages: int = 0
    seen: float = field(default_factory=time.monotonic)
    had_page: bool = False


class Sessions:
    """The sessions that are open; any thread may ask.

    Args:
        limits: of their number, and of the patience with one that nobody comes back to.
        drop: cancels a file's work and deletes it.
    """

    def __init__(self, limits: Limits, drop: Callable[[Job], None]) -> None:
        self._limits, self._drop_job = limits, drop
        self._open: dict[str, Session] = {}
        self._lock = threading.RLock()

    def open(self) -> Session:
        """A new one.

        Raises:
            TooLargeError: there are too many.
        """
        with self._lock:
            self.sweep()
            if len(self._open) >= self._limits.sessions:
                raise TooLargeError(f"{len(self._open)} sessions are open, as many as are allowed; close another page first")
            session = Session()
            self._open[session.id] = session
            return session

    def get(self, name: str) -> Session:
        """One that is open.

        Raises:
            NotThereError: there is none.
        """
        with self._lock:
            session = self._open.get(name)
            if session is None:
                raise NotThereError("no such session: it was closed, and its files are deleted")
            session.seen = time.monotonic()
            return session

    def close(self, name: str) -> None:
        """Cancel its work and delete its files."""
        with self._lock:
            session = self._open.get(name)
            if session is not None:
                self._drop(session)

    def close_all(self) -> None:
        """The same for every session."""
        with self._lock:
            for session in list(self._open.values()):
                self._drop(session)

    def _drop(self, session: Session) -> None:
        for job in list(session.jobs.values()):
            self._drop_job(job)
        session.jobs.clear()
        self._open.pop(session.id, None)

    def sweep(self) -> None:
        """Close sessions that nobody has come back to."""
        with self._lock:
            now = time.monotonic()
            for session in list(self._open.values()):
                patience = self._limits.away_s if session.had_page else self._limits.idle_s
                if not session.pages and now - session.seen > patience:
                    log.info("closed a session that nobody came back to")
                    self._drop(session)

    def attend(self, name: str, change: int) -> Session:
        """A page of a session comes (1) or goes (-1)."""
        with self._lock:
            session = self.get(name)
            session.pages += change
            session.had_page = True
            return session

    def add(self, job: Job) -> None:
        """A file of a session.

        Raises:
            NotThereError: the session was closed.
        """
        with self._lock:
            self.get(job.session).jobs[job.id] = job

    def job(self, name: str) -> Job:
        """A file by its number.

        Raises:
            NotThereError: there is none.
        """
        with self._lock:
            for session in self._open.values():
                if name in session.jobs:
                    session.seen = time.monotonic()
                    return session.jobs[name]
        raise NotThereError("no such file: it was removed, or its session was closed")

    def remove(self, name: str) -> None:
        """Cancel a file's work and delete it."""
        with self._lock:
            job = self.job(name)
            del self._open[job.session].jobs[job.id]
            self._drop_job(job)
