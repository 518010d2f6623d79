"""Distribution of work to several workers. A worker may die at any moment without losing a file."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from deid.core.errors import DeidError
from deid.dataset.records import Record, Task, lost

#: A worker has its next file at hand while it does one; no more, so that memory stays flat and a death costs little.
_AHEAD = 2
#: Deaths of workers after which a file is given up, and after which a run is, when they die before they start.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has loaded its models.

    Args:
        versions: of what its outputs depend on.
    """

    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Dead:
    """A worker ended by itself; ``why`` is the reason."""

    why: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """A worker cannot load its models; ``why`` is the reason."""

    why: str


Event: TypeAlias = Ready | Dead | Unfit | Record


@dataclass(slots=True, eq=False)
class Hand:
    """A worker as its employer sees it.

    Args:
        link: how to reach it: a process and a pipe, or an actor.
        tasks: given to it and not done, in order.
        ready: whether its models are loaded.
    """

    link: Any
    tasks: deque[Task] = field(default_factory=deque)
    ready: bool = False


class Crew(Protocol):
    """Where workers come from."""

    def hire(self) -> Hand:
        """A new worker, which will report that it is `Ready` or `Unfit`."""
        ...

    def give(self, hand: Hand, task: Task) -> None:
        """Send a task to a worker. One that is dead by now reports that later."""
        ...

    def wait(self, hands: list[Hand]) -> list[tuple[Hand, Event]]:
        """What happened next: at least one event."""
        ...

    def dismiss(self, hands: list[Hand]) -> None:
        """End the workers."""
        ...


def run(tasks: Iterator[Task], crew: Crew, workers: int) -> Iterator[Record | Ready]:
    """One record for each task, in the order in which they are done, and word of each worker that begins.

    Args:
        tasks: taken one by one, as workers have room.
        crew: where workers come from.
        workers: how many to hire.

    Raises:
        DeidError: a worker cannot load its models, or three in a row died while they tried.
    """
    hands = [crew.hire() for _ in range(workers)]
    try:
        yield from _Shift(tasks, crew, hands)
    finally:
        crew.dismiss(hands)


class _Shift:
    def __init__(self, tasks: Iterator[Task], crew: Crew, hands: list[Hand]) -> None:
        self._tasks, self._crew, self._hands = tasks, crew, hands
        self._returned: deque[Task] = deque()
        self._deaths: Counter[int] = Counter()
        self._stillborn = 0

    def __iter__(self) -> Iterator[Record | Ready]:
        while True:
            self._hand_out()
            if not any(hand.tasks for hand in self._hands) and not self._more():
                return
            for hand, event in self._crew.wait(self._hands):
                yield from self._heed(hand, event)

    def _more(self) -> bool:
        """Whether a task waits that no worker has."""
        if not self._returned:
            self._returned.extend(task for task in [next(self._tasks, None)] if task is not None)
        return bool(self._returned)

    def _hand_out(self) -> None:
        for hand in self._hands:
            while hand.ready and len(hand.tasks) < _AHEAD and self._more():
                task = self._returned.popleft()
                hand.tasks.append(task)
                self._crew.give(hand, task)

    def _heed(self, hand: Hand, event: Event) -> Iterator[Record | Ready]:
        if isinstance(event, Unfit):
            raise DeidError(event.why)
        if isinstance(event, Dead):
            yield from self._bury(hand, event)
            return
        if isinstance(event, Ready):
            hand.ready, self._stillborn = True, 0
        else:
            hand.tasks.popleft()
        yield event

    def _bury(self, hand: Hand, death: Dead) -> Iterator[Record]:
        """Another worker takes over; only the file that was in work is suspected."""
        if not hand.ready:
            self._stillborn += 1
            if self._stillborn >= _ATTEMPTS:
                raise DeidError(f"{self._stillborn} workers in a row ended before they had loaded their models: {death.why}")
        if hand.tasks:
            suspect = hand.tasks[0]
            self._deaths[suspect[0]] += 1
            if self._deaths[suspect[0]] >= _ATTEMPTS:
                yield lost(hand.tasks.popleft(), f"{_ATTEMPTS} workers ended while they worked on it: {death.why}")
        self._returned.extendleft(reversed(hand.tasks))
        self._hands[self._hands.index(hand)] = self._crew.hire()
