"""Everything that is worked on: sessions, their files, and one worker with a queue, independent of HTTP."""

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deid.boxes import plain
from deid.core.errors import DeidError
from deid.imaging.formats import suffix_of
from deid.serve.corrections import Correction, CorrectionError
from deid.serve.jobs import Cancelled, Job, State
from deid.serve.limits import Limits
from deid.serve.store import Store, remove
from deid.serve.uploads import NotThereError, RefusedError, TooLargeError, kind_of, megabytes, plain_name
from deid.serve.work import Upload, Work

if TYPE_CHECKING:
    # Torch takes seconds to import: the page is there before it.
    from deid.anonymizer.engine import Anonymizer

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Session:
    """What one page, or one client of the REST interface, works on.

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


class Desk:
    """Takes files in, does one step after another, and gives out what was saved.

    Args:
        store: where the files are.
        load: gives the engine; called once, on the worker's thread.
        limits: of what is taken in.
        make: gives the work of an upload; the real one when None.

    Examples:
        >>> with Store() as store, Desk(store, lambda: Anonymizer()) as desk:
        ...     job = desk.submit(desk.open_session().id, "party.jpg", save_to)
    """

    def __init__(
        self,
        store: Store,
        load: "Callable[[], Anonymizer]",
        limits: Limits | None = None,
        make: "Callable[[Upload, str, Anonymizer, Limits], Work] | None" = None,
    ) -> None:
        self.limits = limits or Limits()
        self._store, self._load, self._make = store, load, make or _real_work
        self._sessions: dict[str, Session] = {}
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock, self._closed = threading.RLock(), threading.Event()
        self._engine: Anonymizer | None = None
        self.problem = ""
        self._worker = threading.Thread(target=self._run, name="worker", daemon=True)
        self._worker.start()

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_ready(self) -> bool:
        """Whether the models are loaded."""
        return self._engine is not None

    @property
    def is_closed(self) -> bool:
        """Whether the server ends."""
        return self._closed.is_set()

    @property
    def method(self) -> str:
        """What is done to a face unless a person decides otherwise."""
        return "" if self._engine is None else self._engine.options.method

    def close(self) -> None:
        """Cancel what runs and wait for it."""
        self._closed.set()
        with self._lock:
            for session in list(self._sessions.values()):
                self._drop(session)
        self._queue.put(None)
        self._worker.join(timeout=10)

    # Sessions

    def open_session(self) -> Session:
        """A new one.

        Raises:
            TooLargeError: there are too many.
        """
        with self._lock:
            self.sweep()
            if len(self._sessions) >= self.limits.sessions:
                raise TooLargeError(f"{len(self._sessions)} sessions are open, as many as are allowed; close another page first")
            session = Session()
            self._sessions[session.id] = session
            return session

    def session(self, name: str) -> Session:
        """One that is open.

        Raises:
            NotThereError: there is none.
        """
        with self._lock:
            session = self._sessions.get(name)
            if session is None:
                raise NotThereError("no such session: it was closed, and its files are deleted")
            session.seen = time.monotonic()
            return session

    def close_session(self, name: str) -> None:
        """Cancel its work and delete its files."""
        with self._lock:
            session = self._sessions.get(name)
            if session is not None:
                self._drop(session)

    def _drop(self, session: Session) -> None:
        for job in list(session.jobs.values()):
            self._remove(session, job)
        self._sessions.pop(session.id, None)

    def sweep(self) -> None:
        """Close sessions that nobody has come back to."""
        with self._lock:
            now = time.monotonic()
            for session in list(self._sessions.values()):
                patience = self.limits.away_s if session.had_page else self.limits.idle_s
                if not session.pages and now - session.seen > patience:
                    log.info("closed a session that nobody came back to")
                    self._drop(session)

    def attend(self, name: str, change: int) -> Session:
        """A page of a session comes (1) or goes (-1)."""
        with self._lock:
            session = self.session(name)
            session.pages += change
            session.had_page = True
            return session

    # Files

    def expect(self, session: str, name: str, size: int | None) -> str:
        """Whether a file may come, before any of it is read; gives its kind.

        Raises:
            RefusedError: it may not.
        """
        kind = kind_of(plain_name(name))
        if self.problem:
            raise RefusedError(self.problem)
        if len(self.session(session).jobs) >= self.limits.files:
            raise TooLargeError(f"the session has {self.limits.files} files, as many as are allowed; remove some first")
        most = self.limits.bytes_of(kind == "film")
        if size is not None and size > most:
            raise TooLargeError(f"{plain_name(name)}: {megabytes(size)} is more than a {kind} may have, {megabytes(most)}")
        return kind

    def reserve(self, name: str) -> Upload:
        """A place for a file's bytes."""
        folder = self._store.folder()
        # The suffix is one of those that are known: nothing else of the client's name reaches the file system.
        return Upload(folder / f"upload{suffix_of(plain_name(name))}", plain_name(name), folder)

    def scratch(self, suffix: str) -> Path:
        """A name for a file that is given out once."""
        return self._store.root / f"{secrets.token_hex(8)}{suffix}"

    def discard(self, upload: Upload) -> None:
        """A file that did not come whole."""
        remove(upload.folder)

    def submit(self, session: str, upload: Upload, kind: str, seed: int | None = None) -> Job:
        """Begin with a file that has come; ``seed`` is for reproducible output.

        Raises:
            NotThereError: the session was closed meanwhile; the file is deleted.
        """
        try:
            with self._lock:
                owner = self.session(session)
                job = Job(upload, kind, session, seed)
                owner.jobs[job.id] = job
                self._enqueue(job, lambda: self._first(job))
                return job
        except RefusedError:
            self.discard(upload)
            raise

    def job(self, name: str) -> Job:
        """A file by its number.

        Raises:
            NotThereError: there is none.
        """
        with self._lock:
            for session in self._sessions.values():
                if name in session.jobs:
                    session.seen = time.monotonic()
                    return session.jobs[name]
        raise NotThereError("no such file: it was removed, or its session was closed")

    def remove(self, name: str) -> None:
        """Cancel a file's work and delete it."""
        with self._lock:
            job = self.job(name)
            self._remove(self._sessions[job.session], job)

    def _remove(self, session: Session, job: Job) -> None:
        job.cancel()
        session.jobs.pop(job.id, None)
        if job.pending:
            # The worker is at it, or will find it cancelled: it deletes the folder.
            return
        job.state = "cancelled"
        remove(job.upload.folder)

    def correct(self, name: str, given: Sequence[object]) -> Job:
        """Do as a person decided.

        Raises:
            CorrectionError: it makes no sense; none of it is done.
            RefusedError: the file is not ready.
        """
        job, work = self._ready(name)
        if not given or len(given) > self.limits.corrections:
            raise CorrectionError(f"expected 1 to {self.limits.corrections} corrections, got {len(given)}")
        corrections = [Correction.of(each) for each in given]
        work.check(corrections)
        self._enqueue(job, lambda: work.correct(corrections, job.progress))
        return job

    def save(self, name: str) -> Job:
        """Search the result once more, and make it final.

        Raises:
            RefusedError: the file is not ready.
        """
        job, work = self._ready(name)
        if job.state != "saved":
            self._enqueue(job, lambda: work.save(job.progress), "saved")
        return job

    def result(self, name: str) -> Path:
        """The saved file.

        Raises:
            NotThereError: it was not saved yet.
        """
        job = self.job(name)
        if job.state != "saved":
            raise NotThereError(f"{job.upload.name} is not saved: nothing is final before")
        return job.upload.result

    def report(self, name: str) -> dict[str, Any]:
        """The report: a result for every face.

        Raises:
            NotThereError: nothing has yet.
        """
        job = self.job(name)
        if job.work is None or job.state not in ("ready", "saved"):
            raise NotThereError(f"{job.upload.name} has no report yet: it is {job.state}")
        return {**job.work.report(), "saved": job.state == "saved"}

    def boxes(self, name: str) -> str:
        """Where everybody is, in the format of `deid find`.

        Raises:
            NotThereError: nobody knows yet.
        """
        return plain.write([self._ready(name)[1].boxes()])

    def _ready(self, name: str) -> tuple[Job, Work]:
        job = self.job(name)
        if job.work is None or not job.opened or job.is_cancelled:
            raise NotThereError(f"{job.upload.name} is not ready: it is {job.state}{': ' + job.error if job.error else ''}")
        return job, job.work

    # The worker

    def _enqueue(self, job: Job, step: Callable[[], None], then: State = "ready") -> None:
        """Have the worker do a step; ``then`` is what the file is when it is done."""
        with self._lock:
            job.pending += 1
            job.version += 1
            if job.state != "working":
                job.state = "queued"
        self._queue.put(lambda: self._do(job, step, then))

    def _run(self) -> None:
        try:
            self._engine = self._load()
        except Exception as error:
            log.info("the models could not be loaded", exc_info=True)
            self.problem = f"the models cannot be loaded: {error}"
        while (task := self._queue.get()) is not None:
            task()

    def _do(self, job: Job, step: Callable[[], None], then: State) -> None:
        """One step; what goes wrong with it is the file's alone."""
        began, failure = time.monotonic(), ""
        try:
            job.progress("waiting", 0, 0)
            job.state = "working"
            step()
        except Cancelled:
            failure = "cancelled"
        except DeidError as error:
            failure = job.upload.told(error)
        except Exception as error:
            log.info("a step failed", exc_info=True)
            failure = f"{type(error).__name__}: {job.upload.told(error)}"
        job.seconds = time.monotonic() - began
        self._settle(job, failure, then)

    def _settle(self, job: Job, failure: str, then: State) -> None:
        """Take down what became of a step; a later one that failed leaves the file open to other corrections."""
        with self._lock:
            job.pending -= 1
            job.version += 1
            job.error, job.opened = failure, job.opened or not failure
            if job.is_cancelled:
                job.state = "cancelled"
                if not job.pending:
                    remove(job.upload.folder)
            elif not job.opened:
                job.state = "failed"
            else:
                job.state = "queued" if job.pending else "ready" if failure else then

    def _first(self, job: Job) -> None:
        if self._engine is None:
            raise RefusedError(self.problem or "the models are not loaded")
        if job.seed is None:
            job.seed = self._engine.options.seed
        if job.seed is None:
            job.seed = secrets.randbits(63)
        job.upload = replace(job.upload, seed=job.seed)
        job.work = self._make(job.upload, job.kind, self._engine, self.limits)
        job.work.process(job.progress)


def _real_work(upload: Upload, kind: str, engine: "Anonymizer", limits: Limits) -> Work:
    if kind == "film":
        from deid.serve.films import FilmWork

        return FilmWork(upload, engine, limits)
    from deid.serve.photos import PhotoWork

    return PhotoWork(upload, engine, limits)
