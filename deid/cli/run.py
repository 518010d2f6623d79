"""`deid run`: files in, files out."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deid import __version__
from deid.cli.common import FAILED, LEFT_OUT, USAGE, errors_shown, progress
from deid.cli.flags import COMMON, VIDEOS, options_from, with_flags
from deid.core.messages import say
from deid.core.options import Options

if TYPE_CHECKING:
    from deid.batch.files import Job
    from deid.video.pipeline import Span


@with_flags(*COMMON)
def run(
    inputs: Annotated[list[Path], typer.Argument(help="Pictures, videos, and folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Write to this folder, or to this file for a single input.")],
    report: Annotated[Path | None, typer.Option(help="Write what became of every face as JSON. Default: none.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files, the inputs among them. Default: off.")] = False,
    start: Annotated[float, typer.Option(min=0.0, help="Skip what comes before this second. Default: 0.", **VIDEOS)] = 0.0,
    end: Annotated[float | None, typer.Option(min=0.0, help="Skip what comes from this second on. Default: none.", **VIDEOS)] = None,
    audio: Annotated[str, typer.Option(help="Copy the sound (keep), or leave it out (drop). Default: keep.", **VIDEOS)] = "keep",
    debug: Annotated[bool, typer.Option("--debug", help="Name the portraits of each new face in the report. Default: off.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Anonymize pictures and videos: the same names and formats, without metadata."""
    with errors_shown():
        code = _run_and_tell(inputs, out, options_from(given), overwrite, (start, end, audio), report, debug)
    if code:
        raise typer.Exit(code)


def _run_and_tell(
    inputs: list[Path],
    out: Path,
    options: Options,
    overwrite: bool,
    span: tuple[float, float | None, str],
    report: Path | None,
    debug: bool,
) -> int:
    """Handle every input, write the report, and give the exit code."""
    from deid.batch import files

    files.check_use(inputs, out, report)
    jobs = files.plan(inputs, out, overwrite)
    results = run_jobs(jobs, options, overwrite, span)
    closing_line(results)
    if report:
        from deid.imaging import codec

        codec.write((json.dumps(_report(results, options, debug), indent=2) + "\n").encode(), report, overwrite=True)
    nothing_begun = not any(job.target for job in jobs)
    if nothing_begun and any(job.refused == "wrong use" for job in jobs):
        return USAGE
    if any(result.failed for result in results) or not results:
        return FAILED
    return LEFT_OUT if any(result.left_out or result.incomplete for result in results) else 0


def run_jobs(
    jobs: "list[Job]", options: Options, overwrite: bool, span: tuple[float, float | None, str] = (0.0, None, "keep")
) -> list[Any]:
    """Do every job and report its result; refused jobs are reported before a model is loaded."""
    from deid.batch import files

    for job in jobs:
        if job.target is None:
            left_out = job.refused == "left out"
            say(f"{job.source}: {job.error}", "left out:" if left_out else "failed:", "yellow" if left_out else "red")
    if not any(job.target for job in jobs):
        return [files.refused(job) for job in jobs]
    from deid.anonymizer.engine import Anonymizer

    part, engine, results = _part(span), Anonymizer(options), []
    engine.preload()
    with progress("anonymizing", sum(job.target is not None for job in jobs)) as (step, frame):
        index = 0
        for job in jobs:
            # What is left out has no number: a file's seed does not change with what lies beside it.
            result = files.run_job(job, engine, files.seed_of(options.seed, index), overwrite, part, frame)
            for note in result.notes:
                say(f"{result.source}: {note}")
            results.append(result)
            index += not result.left_out
            if job.target is not None:
                if result.error:
                    say(f"{result.source}: {result.error}", "failed:", "red")
                step(job.source.name)
    return [_still_there(result) for result in results]


def _part(span: tuple[float, float | None, str]) -> "Span | None":
    """The part of films that is asked for; None for the whole, which needs nothing of films to be imported."""
    if span == (0.0, None, "keep"):
        return None
    from deid.video.pipeline import Span

    return Span(*span)


def _still_there(result: Any) -> Any:
    from deid.batch import files

    now = files.still_there(result)
    if now is not result:
        say(f"{now.source}: {now.error}", "failed:", "red")
    return now


def closing_line(results: list[Any]) -> None:
    done = [r for r in results if not r.error]
    faces, edited = sum(r.n_faces for r in results), sum(r.n_edited for r in results)
    left_out = [r.source.name for r in results if r.left_out]
    say(
        f"{len(done)} files written ({sum(r.n_faces == 0 for r in done)} without a face), {faces} faces: {edited} edited, "
        f"{faces - edited} covered by fallback; {sum(r.failed for r in results)} files failed"
        + (f"; {len(left_out)} files left out: {', '.join(left_out)}" if left_out else "")
    )
    if all(result.left_out for result in results):
        say("no pictures found", style="red")


def _report(results: list[Any], options: Options, debug: bool) -> dict[str, Any]:
    from deid import weights

    return {
        "deid": __version__,
        "options": asdict(options),
        "weights": {name: item.sha256 for name, item in weights.manifest().items() if item.url is None},
        "files": [result.to_dict(debug) for result in results],
        "totals": {
            "files": len(results),
            "failed": sum(r.failed for r in results),
            "left_out": sum(r.left_out for r in results),
            "faces": sum(r.n_faces for r in results),
            "edited": sum(r.n_edited for r in results),
            "fallback": sum(r.n_faces - r.n_edited for r in results),
        },
    }
