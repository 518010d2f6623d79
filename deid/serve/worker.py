"""One thread with a queue: it loads the models, then does one step of a file after another."""

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from deid.core.errors import DeidError
from deid.serve.jobs import Cancelled, Job, State
from deid.serve.limits import Limits
from deid.serve.store import remove
from deid.serve.uploads import RefusedError, Upload
from deid.serve.work import Work

if TYPE_CHECKING:
    # Torch takes seconds to import: the page is there before it.
    from deid.anonymizer.parts import Engine

log = logging.getLogger(__name__)

#: Gives the work of an upload of a kind.
MakeWork: TypeAlias = "Callable[[Upload, str, Engine, Limits], Work]"


class Worker:
    """Does one step after another, in the order in which they come.

    Args:
        load: gives the engine; called once, on the worker's thread.
        make: gives the work of an upload.
        limits: of what is taken in.
    """

    def __init__(self, load: "Callable[[], Engine]", make: MakeWork, limits: Limits) -> None:
        self._load, self._make, self._limits = load, make, limits
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether the models are loaded."""
        return self._engine is not None

    @property
    def method(self) -> str:
        """Method for a face about which nobody decides."""
        return "" if self._engine is None else self._engine.options.method

    def close(self) -> None:
        """Wait for the step that runs; what comes after it is not done."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def begin(self, job: Job) -> None:
        """Have a file that has come processed."""
        self.enqueue(job, lambda: self._first(job))

    def enqueue(self, job: Job, step: Callable[[], None], then: State = "ready") -> None:
        """Have a step done; ``then`` is what the file is when it is done."""
        with self._lock:
            job.pending += 1
            job.version += 1
            if job.state != "working":
                job.state = "queued"
        self._queue.put(lambda: self._do(job, step, then))

    def drop(self, job: Job) -> None:
        """Cancel a file's work and delete its folder; where a step of it waits or runs, as soon as that has ended."""
        with self._lock:
            job.cancel()
            if not job.pending:
                job.state = "cancelled"
                remove(job.upload.folder)

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
            failure = job.upload.in_words(error)
        except Exception as error:
            log.info("a step failed", exc_info=True)
            failure = f"{type(error).__name__}: {job.upload.in_words(error)}"
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
        job.work = self._make(job.upload, job.kind, self._engine, self._limits)
        job.work.process(job.progress)
