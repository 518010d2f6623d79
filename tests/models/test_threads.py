"""Work side by side: in order, with its errors, and with no more of torch's threads than there are."""

import ast
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from deid.models.threads import SideBySide, share


def test_results_come_in_the_order_of_the_items() -> None:
    first_may_end = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_may_end.wait(10)
        else:
            first_may_end.set()
        return item * item

    # The first piece waits for the second: they run at the same time, or the event is never set.
    assert SideBySide(2).starmap(work, [(0,), (1,), (2,)]) == [0, 1, 4]


def test_one_thread_works_where_it_is_asked() -> None:
    assert SideBySide(1).starmap(threading.current_thread, [(), ()]) == [threading.current_thread()] * 2


def test_an_error_is_raised() -> None:
    def work(item: int) -> int:
        return 1 // item

    with pytest.raises(ZeroDivisionError):
        SideBySide(2).starmap(work, [(1,), (0,), (1,)])


def _blas_threads(*before: str) -> str:
    """How many threads numpy's algebra has in a process of its own that did this before."""
    say = "import numpy, threadpoolctl as t; print([b['num_threads'] for b in t.threadpool_info() if b['user_api'] == 'blas'])"
    environment = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", "; ".join([*before, say])], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "before",
    [
        ("import numpy", "from deid.models.threads import use_threads", "use_threads(1)"),
        ("from deid.__main__ import main", "main(version=False, verbose=False)"),
    ],
)
def test_algebra_takes_one_thread_in_workers_and_in_the_command(before: tuple[str, ...]) -> None:
    assert set(ast.literal_eval(_blas_threads(*before))) <= {1}


@pytest.fixture
def four_threads() -> Iterator[None]:
    """Torch has four threads, on any machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_torch_takes_its_share_in_that_thread_alone(four_threads: None) -> None:
    seen: list[int] = []

    def work() -> None:
        with share(2):
            seen.append(torch.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [2]
    assert torch.get_num_threads() == 4


def test_a_share_of_one_thread_is_one(four_threads: None) -> None:
    with share(1000):
        assert torch.get_num_threads() == 1
