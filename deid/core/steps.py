"""How far a long piece of work is, for those who watch it."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Called with the number of steps done, and of all.
Watch = Callable[[int, int], None]

_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)
#: Shorter work is not worth a line.
_LEAST = 20


@contextmanager
def watched(watch: Watch | None) -> Iterator[None]:
    """Let the work inside tell how far it is."""
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


def counter(n: int) -> Callable[[], None]:
    """What to call after each of ``n`` steps, from any thread; it does nothing when nobody watches, or there are few.

    Examples:
        >>> with watched(lambda done, of: print(f"{done} of {of}") if done == of else None):
        ...     step = counter(20)
        ...     for _ in range(20):
        ...         step()
        20 of 20
    """
    watch, numbers = _WATCH.get(), itertools.count(1)
    if watch is None or n < _LEAST:
        return lambda: None
    return lambda: watch(next(numbers), n)
