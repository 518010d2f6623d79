"""Workers die; no file is lost, none is done twice, and only the guilty one is given up."""

from collections import deque
from collections.abc import Callable, Iterator

import pytest

from deid.core.errors import DeidError
from deid.dataset import crew
from deid.dataset.crew import Dead, Event, Hand, Ready, Unfit
from deid.dataset.items import Item
from deid.dataset.records import Record, Task

TASKS: list[Task] = [(i, Item(f"{i}.png", "")) for i in range(1, 21)]


class FakeCrew:
    """Workers that answer in turn; ``fate`` says what a task does to its worker."""

    def __init__(self, fate: Callable[[int], Event | None] = lambda number: None, first: Event | None = None) -> None:
        self.fate, self.first = fate, first or Ready({})
        self.n_hired, self.most, self.dismissed = 0, 0, 0
        self.given: list[int] = []

    def hire(self) -> Hand:
        self.n_hired += 1
        return Hand(deque([None]))

    def give(self, hand: Hand, task: Task) -> None:
        self.given.append(task[0])
        self.most = max(self.most, len(hand.tasks))
        hand.link.append(task)

    def wait(self, hands: list[Hand]) -> list[tuple[Hand, Event]]:
        hand = next(h for h in hands if h.link)
        task = hand.link.popleft()
        if task is None:
            return [(hand, self.first)]
        return [(hand, self.fate(task[0]) or Record(task[0], task[1].name, "done"))]

    def dismiss(self, hands: list[Hand]) -> None:
        self.dismissed += len(hands)


def _records(fake: FakeCrew, workers: int = 2, tasks: Iterator[Task] | None = None) -> dict[int, Record]:
    events = list(crew.run(iter(TASKS) if tasks is None else tasks, fake, workers))
    records = [e for e in events if isinstance(e, Record)]
    assert len({r.number for r in records}) == len(records)
    return {r.number: r for r in records}


@pytest.mark.parametrize("workers", [1, 2, 30])
def test_every_task_once(workers: int) -> None:
    fake = FakeCrew()
    records = _records(fake, workers)
    assert sorted(records) == sorted(fake.given) == [number for number, _ in TASKS]
    assert all(r.status == "done" for r in records.values())
    assert fake.n_hired == fake.dismissed == workers


def test_no_tasks_end_at_once() -> None:
    assert _records(FakeCrew(), tasks=iter([])) == {}


def test_tasks_are_taken_as_there_is_room() -> None:
    taken: list[int] = []

    def watched() -> Iterator[Task]:
        for task in TASKS:
            taken.append(task[0])
            yield task

    fake = FakeCrew()
    shift = crew.run(watched(), fake, 2)
    for n_done, _ in enumerate(e for e in shift if isinstance(e, Record)):
        assert len(taken) <= n_done + 2 * 2 + 2
    assert fake.most <= 2


def test_death_costs_no_file() -> None:
    deaths = iter([Dead("signal SIGKILL"), Dead("signal SIGKILL")])
    fake = FakeCrew(lambda number: next(deaths, None) if number == 5 else None)
    records = _records(fake)
    assert sorted(records) == [number for number, _ in TASKS]
    assert all(r.status == "done" for r in records.values())
    assert fake.n_hired == 2 + 2


def test_file_that_kills_three_workers_is_given_up_alone() -> None:
    fake = FakeCrew(lambda number: Dead("signal SIGKILL") if number == 5 else None)
    records = _records(fake)
    assert {n for n, r in records.items() if r.status == "failed"} == {5}
    assert "3 workers ended" in records[5].why
    assert "SIGKILL" in records[5].why
    assert fake.given.count(5) == 3


def test_workers_that_cannot_begin_end_the_run() -> None:
    fake = FakeCrew(first=Unfit("no such model"))
    with pytest.raises(DeidError, match="no such model"):
        _records(fake)
    assert fake.dismissed == 2
    with pytest.raises(DeidError, match="3 workers in a row ended before"):
        _records(FakeCrew(first=Dead("signal SIGKILL")))


def test_workers_end_with_their_employer() -> None:
    fake = FakeCrew()
    shift = crew.run(iter(TASKS), fake, 2)
    next(shift)
    shift.close()  # type: ignore[attr-defined]
    assert fake.dismissed == 2
