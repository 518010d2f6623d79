"""Workers on this machine: processes with one copy of the models each."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from deid.dataset import crew
from deid.dataset.crew import Dead, Event, Hand, Ready, Unfit
from deid.dataset.records import Record, Task
from deid.dataset.work import Work, Worker

#: Nothing is inherited: a forked process would keep its brothers' pipes open, and cannot use a GPU.
_context = multiprocessing.get_context("spawn")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(tasks: Iterator[Task], work: Work, workers: int) -> Iterator[Record | Ready]:
    """One record for each task, from a number of processes; see `deid.dataset.crew.run`."""
    return crew.run(tasks, _Processes(work), workers)


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    process: BaseProcess
    pipe: Connection


@dataclass(frozen=True, slots=True)
class _Processes:
    work: Work

    def hire(self) -> Hand:
        ours, theirs = _context.Pipe()
        process = _context.Process(target=_serve, args=(theirs, self.work), daemon=True)
        process.start()
        # The worker's end is the worker's alone: when it dies, ours tells.
        theirs.close()
        return Hand(_Link(process, ours))

    def give(self, hand: Hand, task: Task) -> None:
        # If it died, `wait` will tell.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            hand.link.pipe.send(task)

    def wait(self, hands: list[Hand]) -> list[tuple[Hand, Event]]:
        pipes = {hand.link.pipe: hand for hand in hands}
        return [(pipes[pipe], _event(pipes[pipe].link)) for pipe in wait(list(pipes)) if isinstance(pipe, Connection)]

    def dismiss(self, hands: list[Hand]) -> None:
        for hand in hands:
            # A write that is cut off leaves no file.
            hand.link.process.terminate()
        for hand in hands:
            hand.link.process.join()
            hand.link.pipe.close()


def _event(link: _Link) -> Event:
    try:
        event: Event = link.pipe.recv()
    except (EOFError, ConnectionResetError):
        link.process.join()
        link.pipe.close()
        return Dead(_ending(link.process.exitcode or 0))
    return event


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _serve(pipe: Connection, work: Work) -> None:
    """A worker's life: it ends when the run does, even one that was killed."""
    # Ctrl-C reaches the whole group; the run decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        worker = Worker(work)
        pipe.send(Ready(worker.versions()))
    except Exception as error:
        pipe.send(Unfit(f"{type(error).__name__}: {error}"))
        return
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(worker.do(task))
