"""`deid dataset`: whole data sets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from deid.cli.common import FAILED, LEFT_OUT, columns, counted, errors_shown
from deid.cli.flags import FLAGS, options_from, with_flags
from deid.core.errors import ConfigError
from deid.core.messages import console, say
from deid.core.options import Options


@with_flags(*FLAGS)
def dataset(
    source: Annotated[str, typer.Argument(metavar="INPUT", help="Folder, pattern, table, shard, or Hugging Face data set.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Write to this new folder; the ledger and the report go to OUT.deid beside it.")],
    workers: Annotated[int, typer.Option(help="Run this many processes or actors. Default: 0, one per core.", show_default=False)] = 0,
    engine: Annotated[
        str, typer.Option(help="Run here (`local`), or on a Ray cluster (`ray`). Default: local.", show_default=False)
    ] = "local",
    address: Annotated[str | None, typer.Option(help="Join the Ray cluster at this address. Default: start one here.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run, and retry failed files. Default: off.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify the output against the ledger; skip processing if the run is finished. Default: off.")
    ] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Anonymize a whole data set: structure, names and labels kept, every file accounted for."""
    from deid.anonymizer.engine import Anonymizer, one_of_several
    from deid.dataset.run import Plan

    with errors_shown():
        options = options_from(given, Options(device="auto"))
        if options.keep or options.only or options.ignore:
            raise ConfigError("expected no keep, only or ignore for a data set: its ledger has edited faces alone; use `deid run`")
        place: dict[str, Any] = {"workers": workers, "engine": engine, "address": address, "resume": resume}
        make: dict[str, Any] = {"make_engine": partial(one_of_several, options), "make_looker": partial(Anonymizer, options)}
        plan = Plan(given=source, out=out, options=options, **make, **place)
        code = 0
        if resume or not verify or not plan.ledger.exists():
            code = _dataset(plan)
        if verify:
            code = _verify_dataset(plan) or code
    if code:
        raise typer.Exit(code)


def _dataset(plan: Any) -> int:
    """Run a data set and print the result; returns the exit code."""
    from deid.dataset.run import failed, left_out, notes
    from deid.dataset.run import run as run_dataset

    named = set[str]()
    with _dataset_bar(named) as notify:
        totals = run_dataset(plan, notify)
    for name, why in failed(plan):
        if name not in named:
            say(f"{name!r}: {why}", "failed:", "red")
    names = []
    for name, why in left_out(plan):
        say(f"{name!r}: {why}", "left out:", "yellow")
        names.append(name)
    changes = notes(plan)
    for note, n, name in changes:
        say(f"{name!r}{f' and {n - 1} more' if n > 1 else ''}: {note}", "note:", "yellow")
    say(
        f"{totals.done} pictures written, {totals.labels} label files carried over, {totals.left_out} files left out, "
        f"{totals.faces} faces: {totals.faces - totals.fallback} as requested, {totals.fallback} covered by fallback; "
        f"{totals.failed} files failed" + (f"; left out: {', '.join(names)}" if names else "")
    )
    say(f"report: {plan.private / 'report.html'}")
    if not totals.done:
        say("no picture was written", style="red")
    if totals.failed or not (totals.done or totals.left_out):
        return FAILED
    return LEFT_OUT if totals.left_out or any("left out" in note for note, _, _ in changes) else 0


def _verify_dataset(plan: Any) -> int:
    """Print what is wrong with an output; returns the exit code."""
    from deid.dataset.run import check, left_out

    problems = 0
    with _looking_bar() as notify:
        for problem in check(plan, notify):
            problems += 1
            say(f"{problem.name!r}: {problem.what}", style="red")
    names = [name for name, _ in left_out(plan)]
    ended = f"{problems} problems" if problems else "verified: every file is there, whole, and passed"
    say(ended + (f"; left out: {', '.join(names)}" if names else ""))
    return FAILED if problems else LEFT_OUT if names else 0


@contextmanager
def _looking_bar() -> Iterator[Callable[[int, int], None]]:
    with counted("looking again") as step:
        yield lambda done, of: step(done, of, "")


@contextmanager
def _dataset_bar(named: set[str]) -> Iterator[Callable[[Any, Any], None]]:
    """A bar that names each failure at once, and keeps whom it named."""
    note = "{task.fields[rate]} {task.fields[faces]} faces, {task.fields[fallback]} fallbacks, {task.fields[failed]} failed"
    with Progress(*columns(note=note), console=console) as bar:
        task = bar.add_task("data set", total=None, rate="", faces=0, fallback=0, failed=0)

        def notify(totals: Any, record: Any) -> None:
            if record.status == "failed":
                say(f"{record.name!r}: {record.why}", "failed:", "red")
                named.add(record.name)
            fields = {"faces": totals.faces, "fallback": totals.fallback, "failed": totals.failed}
            bar.update(task, total=totals.files, completed=totals.files - totals.pending, **fields)
            if speed := bar.tasks[0].speed:
                bar.update(task, rate=f"{speed:.1f}/s,")

        yield notify
