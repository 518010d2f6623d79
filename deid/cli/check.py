"""`deid check`: whether any tool's output protects the people of its input."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from deid.cli.common import columns
from deid.core.errors import DeidError
from deid.core.messages import console, plain, say

if TYPE_CHECKING:
    from deid.check import run

FAILED, USAGE, LEFT_OUT = 1, 2, 3
EXIT_CODES = (
    "Exit code: 0 when the output passes, 1 when it does not or a file cannot be read, 2 for wrong use. It is 3 when all checked "
    "files pass and some were left out (each is named)."
)

_SHARE: dict[str, Any] = {"show_default": False}


@contextmanager
def _progress() -> Iterator["run.Progress"]:
    from deid.check.run import Progress as Callbacks

    with Progress(*columns("checking", "{task.description}"), console=console) as bar:
        task = bar.add_task("", total=None)
        yield Callbacks(lambda total: bar.update(task, total=total), lambda name: bar.update(task, advance=1, description=plain(name)))


def check(
    before: Annotated[Path, typer.Argument(help="Photo, video, or folder of them, untouched.")],
    after: Annotated[Path, typer.Argument(help="The same, after any tool. Files in folders are paired by name.")],
    report: Annotated[Path | None, typer.Option("--report", "-o", help="Write the findings as JSON. Default: none.")] = None,
    max_exposed: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Accept this share of faces that are as they were or, in photos, still recognised. Default: 0.", **_SHARE
        ),
    ] = 0.0,
    max_recognised: Annotated[
        float,
        typer.Option(min=0, max=1, help="Accept this share of faces that a recogniser still matches. Default: 0.", **_SHARE),
    ] = 0.0,
    min_recall: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Require that this share of the input's faces is still detected in the output. Default: 0.", **_SHARE
        ),
    ] = 0.0,
    allow_metadata: Annotated[bool, typer.Option("--allow-metadata", help="Accept metadata in the output. Default: off.")] = False,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="Judge by mtcnn, centerface, dlib_hog, scrfd:FILE or yolo:FILE. Repeatable. Turned photos need the first two. "
            "Default: mtcnn, centerface."
        ),
    ] = None,
    recogniser: Annotated[
        list[Path] | None,
        typer.Option(
            help="Recognise faces with this ONNX file too: a network for faces of 112 px, aligned as ArcFace's. Repeatable. Default: none."
        ),
    ] = None,
) -> None:
    """Check that an output protects: faces exposed, faces still recognised, recall, metadata left."""
    try:
        code = _check(before, after, report, (max_exposed, max_recognised, min_recall, allow_metadata), detector or [], recogniser or [])
    except DeidError as error:
        say(error, "error:", "red")
        raise typer.Exit(USAGE) from error
    if code:
        raise typer.Exit(code)


def _check(
    before: Path,
    after: Path,
    report: Path | None,
    limits: tuple[float, float, float, bool],
    detectors: list[str],
    recognisers: list[Path],
) -> int:
    """Check, print, write the report, and return the exit code."""
    from deid.batch.places import check_place
    from deid.check.judges import Judges
    from deid.check.limits import Limits
    from deid.check.run import check as run_check

    exposed, recognised, recall, metadata = limits
    if report is not None:
        check_place(report, "the report")
    asked = Limits(exposed=exposed, recognised=recognised, recall=recall, metadata=metadata)
    with _progress() as progress:
        found = run_check(before, after, Judges.of(detectors, recognisers), asked, progress)
    for problem in found.problems:
        say(f"{problem.file}: {problem.detail}", f"{problem.kind}:", "yellow")
    for reason in found.reasons:
        say(reason, "fails:", "red")
    if report is not None:
        from deid.imaging import atomic

        atomic.write((json.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n").encode(), report, overwrite=True)
    typer.echo(plain(found.line()))
    return FAILED if not found.passed else LEFT_OUT if found.left_out else 0
