"""Exit codes, errors and progress of all commands."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from deid.core.errors import DeidError
from deid.core.messages import console, plain, say

log = logging.getLogger(__name__)

FAILED, USAGE, LEFT_OUT = 1, 2, 3
EXIT_CODES = (
    "Exit code: 0 when every input was processed, 1 when something failed, 2 for wrong use. It is 3 when files, or a part of one, were "
    "left out (each is named)."
)


@contextmanager
def errors_shown() -> Iterator[None]:
    """Errors end the command with a message; --verbose shows where one came from that is not ours."""
    try:
        yield
    except DeidError as error:
        say(error, "error:", "red")
        raise typer.Exit(USAGE) from error
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        log.info("the error came from here", exc_info=True)
        say(f"{type(error).__name__}: {error}", "error:", "red")
        raise typer.Exit(FAILED) from error


def columns(what: str = "{task.description}", note: str = "{task.fields[note]}") -> tuple[ProgressColumn, ...]:
    """Columns of every progress bar: what is done, how much of it, how long it takes, and a note."""
    return TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), TextColumn(note, markup=False)


@contextmanager
def progress(what: str, total: int) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Two callbacks: one for each finished step of a run, one for the steps of its current file."""
    with Progress(*columns(), console=console) as bar:
        task = bar.add_task(what, total=total, note="")
        video = bar.add_task("this file", total=None, note="", visible=False)

        def step(note: str) -> None:
            bar.update(task, advance=1, note=plain(note))
            bar.reset(video, visible=False, start=True)

        def frame(done: int, of: int) -> None:
            bar.update(video, completed=done, total=max(done, of) if of else None, visible=True)

        yield step, frame


@contextmanager
def counted(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """One callback for work that counts its own steps: steps done, steps in all, a note."""
    with Progress(*columns(), console=console) as bar:
        task = bar.add_task(what, total=None, note="")
        yield lambda done, of, note: bar.update(task, completed=done, total=of, note=plain(note))
