"""Stages run at once, and end together."""

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from deid.video.stages import ahead


def _threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("test-")}


def _count(n: int, seen: list[int]) -> Iterator[int]:
    for i in range(n):
        seen.append(i)
        yield i


def test_items_come_in_order_and_all() -> None:
    assert list(ahead(ahead(range(50), 2, "test-a"), 2, "test-b")) == list(range(50))
    assert not _threads()


def test_a_stage_runs_no_further_ahead_than_its_queue() -> None:
    seen: list[int] = []
    stage = ahead(_count(100, seen), 3, "test-a")
    assert next(stage) == 0
    time.sleep(0.4)
    assert len(seen) <= 6
    stage.close()
    assert not _threads()


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_stage_that_raises_ends_all(place: str) -> None:
    def broken(items: Iterator[int]) -> Iterator[int]:
        with contextlib.closing(items):  # type: ignore[type-var]
            for i in items:
                if i == 5:
                    raise ValueError("stage")
                yield i

    def stage(items: Iterator[int], name: str) -> Iterator[int]:
        return ahead(broken(items) if name == place else items, 2, f"test-{name}")

    with pytest.raises(ValueError, match="stage"):
        for _ in stage(stage(stage((i for i in range(1000)), "first"), "middle"), "last"):
            pass
    assert not _threads()


def test_a_consumer_that_raises_ends_all() -> None:
    closed: list[bool] = []

    def source() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    chain = ahead(ahead(source(), 2, "test-a"), 2, "test-b")

    def consume() -> None:
        with contextlib.closing(chain):
            for i in chain:
                if i == 3:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert closed == [True]
    assert not _threads()


def test_stages_overlap() -> None:
    """While the consumer waits on its first item, the thread makes the next one."""
    made = threading.Event()

    def source() -> Iterator[int]:
        yield 0
        made.set()
        yield 1

    stage = ahead(source(), 2, "test-a")
    assert next(stage) == 0
    assert made.wait(10)
    assert list(stage) == [1]
