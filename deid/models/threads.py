"""The number of threads, parallel work in them, and torch's own threads shared.

Threads of torch that outnumber the cores wait for each other by spinning: two pieces of work with all threads each took longer
side by side than one after the other.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Result = TypeVar("Result")


def n_threads() -> int:
    """How many threads a network may take: one for each core of this process, or fewer where `OMP_NUM_THREADS` says so."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(asked))) if asked.isdecimal() else cores


def use_threads(n: int) -> None:
    """Let each network that this process opens from now on, and numpy's algebra, take so many threads at most."""
    from threadpoolctl import ThreadpoolController

    os.environ["OMP_NUM_THREADS"] = str(n)
    ThreadpoolController().select(user_api="blas").limit(limits=n)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(n)


@functools.cache
def _openmp() -> "ThreadpoolController":
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")


@contextmanager
def share(n: int) -> Iterator[None]:
    """In the calling thread torch, where it is used at all, takes an ``n``-th of its threads, at least one."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    # torch sets a thread up on its first use, and would undo the limit then.
    all_of_them = torch.get_num_threads()
    with _openmp().limit(limits=max(1, all_of_them // n)):
        yield


class SideBySide:
    """Threads for work that is done at the same time.

    Args:
        n: how many; with one, work is done in the calling thread.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._pool = ThreadPoolExecutor(n, "deid") if n > 1 else None

    def starmap(self, work: Callable[..., Result], items: Iterable[tuple[Any, ...]]) -> list[Result]:
        """What the work gives for each tuple of arguments, in their order; what it raises for any of them is raised."""
        items = list(items)
        if self._pool is None or len(items) < 2:
            return [work(*item) for item in items]

        def beside_others(item: tuple[Any, ...]) -> Result:
            with share(min(len(items), self._n)):
                return work(*item)

        return list(self._pool.map(beside_others, items))
