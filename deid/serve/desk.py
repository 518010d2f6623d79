"""Takes files in, has one step after another done to them, and gives out what was saved; independent of HTTP."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deid.boxes import plain
from deid.imaging.formats import suffix_of
from deid.serve.corrections import Correction, CorrectionError
from deid.serve.jobs import Job
from deid.serve.limits import Limits
from deid.serve.names import kind_of, megabytes, plain_name
from deid.serve.session import Sessions
from deid.serve.store import Store, remove
from deid.serve.uploads import IN_WORDS, NotThereError, RefusedError, TooLargeError, Upload
from deid.serve.work import Work
from deid.serve.worker import MakeWork, Worker

if TYPE_CHECKING:
    # Torch takes seconds to import: the page is there before it.
    from deid.anonymizer.parts import Engine


class Desk:
    """The files of all sessions, from upload to result.

    Args:
        store: where the files are.
        load: gives the engine; called once, on the worker's thread.
        make: gives the work of an upload.
        limits: of what is taken in.

    Examples:
        >>> with Store() as store, Desk(store, lambda: Anonymizer(), work_of) as desk:
        ...     upload = desk.reserve("party.jpg")
        ...     job = desk.submit(desk.sessions.open().id, upload, "photo")
    """

    def __init__(self, store: Store, load: "Callable[[], Engine]", make: MakeWork, limits: Limits | None = None) -> None:
        self.limits, self.store, self.closed = limits or Limits(), store, threading.Event()
        self.worker = Worker(load, make, self.limits)
        self.sessions = Sessions(self.limits, self.worker.drop)

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what runs and wait for it."""
        self.closed.set()
        self.sessions.close_all()
        self.worker.close()

    def expect(self, session: str, name: str, size: int | None) -> str:
        """Whether a file may come, before any of it is read; gives its kind.

        Raises:
            RefusedError: it may not.
        """
        kind = kind_of(plain_name(name))
        if self.worker.problem:
            raise RefusedError(self.worker.problem)
        if len(self.sessions.get(session).jobs) >= self.limits.files:
            raise TooLargeError(f"the session has {self.limits.files} files, as many as are allowed; remove some first")
        most = self.limits.bytes_of(kind == "film")
        if size is not None and size > most:
            raise TooLargeError(f"{plain_name(name)}: {megabytes(size)} is more than a {IN_WORDS[kind]} may have, {megabytes(most)}")
        return kind

    def reserve(self, name: str) -> Upload:
        """A place for a file's bytes."""
        folder = self.store.folder()
        # The suffix is one of those that are known: nothing else of the client's name reaches the file system.
        return Upload(folder / f"upload{suffix_of(plain_name(name))}", plain_name(name), folder)

    def submit(self, session: str, upload: Upload, kind: str, seed: int | None = None) -> Job:
        """Begin with a file that has come; ``seed`` is for reproducible output.

        Raises:
            NotThereError: the session was closed meanwhile; the file is deleted.
        """
        job = Job(upload, kind, session, seed)
        try:
            self.sessions.add(job)
        except RefusedError:
            remove(upload.folder)
            raise
        self.worker.begin(job)
        return job

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
        self.worker.enqueue(job, lambda: work.correct(corrections, job.progress))
        return job

    def save(self, name: str) -> Job:
        """Search the result once more, and make it final.

        Raises:
            RefusedError: the file is not ready.
        """
        job, work = self._ready(name)
        if job.state != "saved":
            self.worker.enqueue(job, lambda: work.save(job.progress), "saved")
        return job

    def result(self, name: str) -> Path:
        """The saved file.

        Raises:
            NotThereError: it was not saved yet.
        """
        job = self.sessions.job(name)
        if job.state != "saved":
            raise NotThereError(f"{job.upload.name} is not saved: nothing is final before")
        return job.upload.result

    def report(self, name: str) -> dict[str, Any]:
        """The report: a result for every face.

        Raises:
            NotThereError: nothing has yet.
        """
        job = self.sessions.job(name)
        if job.work is None or job.state not in ("ready", "saved"):
            raise NotThereError(f"{job.upload.name} has no report yet: it is {job.state}")
        return {**job.work.report(), "saved": job.state == "saved"}

    def boxes(self, name: str) -> str:
        """Boxes of all faces, in the format of `deid find`.

        Raises:
            NotThereError: nobody knows yet.
        """
        return plain.write([self._ready(name)[1].boxes()])

    def _ready(self, name: str) -> tuple[Job, Work]:
        job = self.sessions.job(name)
        if job.work is None or not job.opened or job.is_cancelled:
            raise NotThereError(f"{job.upload.name} is not ready: it is {job.state}{': ' + job.error if job.error else ''}")
        return job, job.work
