"""Stages of a pipeline, each in its own thread, with bounded queues between them."""

import queue
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")

#: How long a thread waits for its queue before it looks whether it is still wanted.
_PATIENCE_S = 0.1


@dataclass(frozen=True, slots=True)
class _End:
    """No item follows, because of an error or because there is none."""

    error: BaseException | None


def ahead(items: Iterable[Item], depth: int = 4, name: str = "stage") -> Generator[Item, None, None]:
    """The same items, made by a thread of their own while the last ones are used.

    What the thread raises is raised here. When this generator is closed or left by an exception, the thread ends, closes the
    iterator that it reads from, and is waited for. In a chain of stages none outlives the others when each step between two of
    them closes the one that it reads from.

    Args:
        items: read by the thread.
        depth: items that may wait; then the thread does.
        name: of the thread.

    Examples:
        >>> import contextlib
        >>> def doubled(numbers):
        ...     with contextlib.closing(numbers):
        ...         for number in numbers:
        ...             yield 2 * number
        >>> list(ahead(doubled(ahead(range(3)))))
        [0, 2, 4]
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(depth)
    unwanted = threading.Event()

    def offer(item: Item | _End) -> bool:
        while not unwanted.is_set():
            try:
                waiting.put(item, timeout=_PATIENCE_S)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        iterator = iter(items)
        error: BaseException | None = None
        try:
            for item in iterator:
                if not offer(item):
                    break
                # The next item takes its time to come: what was handed on must not be held by this thread meanwhile.
                del item
        except BaseException as raised:
            error = raised
        finally:
            if isinstance(iterator, Generator):
                iterator.close()
            offer(_End(error))

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        unwanted.set()
        thread.join()
