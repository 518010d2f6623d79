"""`deid find`: where the faces are, in a file that people can look through and correct."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deid.cli.common import FAILED, LEFT_OUT, USAGE, errors_shown, progress
from deid.cli.flags import DETECTION, VIDEOS, options_from, with_flags
from deid.core.messages import say
from deid.core.options import Options

if TYPE_CHECKING:
    from deid.batch.find import Found
    from deid.batch.jobs import Job

_FORMATS = "json, coco, cvat (for images 1.1), yolo (a folder)"


@with_flags(*DETECTION)
def find(
    inputs: Annotated[list[Path], typer.Argument(help="Pictures, videos, and folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Write the boxes to this file, or for YOLO to this folder.")],
    file_format: Annotated[str | None, typer.Option("--format", help=f"Write {_FORMATS}. Default: by the name of the output.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file. Default: off.")] = False,
    start: Annotated[float, typer.Option(min=0.0, help="Skip what comes before this second. Default: 0.", **VIDEOS)] = 0.0,
    end: Annotated[float | None, typer.Option(min=0.0, help="Skip what comes from this second on. Default: none.", **VIDEOS)] = None,
    *,
    given: dict[str, Any],
) -> None:
    """Detect faces and edit nothing: boxes, scores and landmarks; in videos, which boxes are of one face.

    Correct the file and give it back to `deid run --boxes`.
    """
    with errors_shown():
        code = _find_and_tell(inputs, out, file_format, overwrite, (start, end), options_from(given))
    if code:
        raise typer.Exit(code)


def _find_and_tell(
    inputs: list[Path], out: Path, file_format: str | None, overwrite: bool, span: tuple[float, float | None], options: Options
) -> int:
    """Search every input, write the boxes, and give the exit code."""
    from deid.batch import jobs, places
    from deid.boxes import files as boxes
    from deid.core.errors import ConfigError

    places.check_no_address(*inputs, out)
    chosen = boxes.format_of(out, file_format)
    if out.exists() and not overwrite:
        raise ConfigError(f"cannot write {out}: it exists; pass --overwrite to replace it")
    if chosen == "yolo":
        places.check_folder(out, "the boxes")
    else:
        places.check_place(out, "the boxes")
    # Every picture's and video's own name, as a run would handle them.
    planned = jobs.plan(inputs, Path("/nonexistent"))
    names = jobs.names_of(inputs, planned)
    found = _search(planned, names, options, span)
    boxed = [f.boxes for f in found if f.boxes is not None]
    if boxed:
        boxes.write(boxed, out, chosen, overwrite)
    n_left_out = sum(job.refused == "left out" for job in planned)
    say(
        f"{len(boxed)} files searched ({sum(not file.n_boxes for file in boxed)} without a face), {sum(f.n_boxes for f in boxed)} boxes; "
        f"{sum(bool(f.error) for f in found)} files failed" + (f"; {n_left_out} files left out" if n_left_out else "")
    )
    if not boxed and any(job.refused == "wrong use" for job in planned):
        return USAGE
    if not boxed or any(f.error for f in found):
        return FAILED
    return LEFT_OUT if n_left_out else 0


def _search(jobs: "list[Job]", names: dict[Path, str], options: Options, span: tuple[float, float | None]) -> "list[Found]":
    """Search every file that can be, and say what became of it."""
    from deid.anonymizer.engine import Anonymizer
    from deid.batch.find import Found, find
    from deid.video.results import Span

    found = []
    for job in jobs:
        if job.target is None:
            say(f"{job.source}: {job.error}", "left out:" if job.refused == "left out" else "failed:", "yellow")
            found += [Found(job.source, error=job.error)] if job.refused != "left out" else []
    todo, engine, part = [job for job in jobs if job.target is not None], Anonymizer(options), Span(*span)
    if todo:
        # A detector that cannot be built ends the run here, and is not named for each file.
        _ = engine.detector
    with progress("searching", len(todo)) as (step, frame):
        for job in todo:
            result = find(job.source, names[job.source], engine, part, frame)
            if result.error:
                say(f"{result.source}: {result.error}", "failed:", "red")
            found.append(result)
            step(job.source.name)
    return found
