"""`deid run`: files in, files out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deid._version import __version__
from deid.cli.common import FAILED, LEFT_OUT, USAGE, errors_shown
from deid.cli.flags import FILES, VIDEOS, options_from, with_flags
from deid.cli.results import closing_line, each_shown, name_refused
from deid.core.errors import ConfigError
from deid.core.messages import say
from deid.core.options import Options

if TYPE_CHECKING:
    from deid.batch.files import Draw
    from deid.batch.jobs import Job
    from deid.batch.pictures import Given
    from deid.batch.results import FileResult
    from deid.video.results import Span


@with_flags(*FILES)
def run(
    inputs: Annotated[list[Path], typer.Argument(help="Pictures, videos, and folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Write to this folder, or to this file for a single input.")],
    report: Annotated[Path | None, typer.Option(help="Write a result for every face as JSON. Default: none.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files, the inputs among them. Default: off.")] = False,
    start: Annotated[float, typer.Option(min=0.0, help="Skip what comes before this second. Default: 0.", **VIDEOS)] = 0.0,
    end: Annotated[float | None, typer.Option(min=0.0, help="Skip what comes from this second on. Default: none.", **VIDEOS)] = None,
    audio: Annotated[str, typer.Option(help="Copy the sound (keep), or leave it out (drop). Default: keep.", **VIDEOS)] = "keep",
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Cover the boxes of this file, from `deid find`, COCO, CVAT or YOLO. The inputs are not searched; the results are, "
            "for what is left. Default: none."
        ),
    ] = None,
    boxes_only: Annotated[
        bool,
        typer.Option(
            "--boxes-only", help="Cover the boxes of --boxes and nothing else; other faces are named in the report. Default: off."
        ),
    ] = False,
    coco: Annotated[Path | None, typer.Option(help="Write the faces, and what became of them, as COCO. Default: none.")] = None,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            help="Draw box and number of each face over the outputs, in a folder beside the report. "
            "Name the portraits of each new face in the report. Default: off.",
        ),
    ] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Anonymize pictures and videos: the same names and formats, without metadata."""
    with errors_shown():
        code = _run(Use(inputs, out, options_from(given), overwrite, (start, end, audio)), Reports(report, debug, coco), boxes, boxes_only)
    if code:
        raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Use:
    """Inputs, and how they are processed."""

    inputs: list[Path]
    out: Path
    options: Options
    overwrite: bool
    span: tuple[float, float | None, str]


@dataclass(frozen=True, slots=True)
class Reports:
    """Files that are written beside the outputs."""

    report: Path | None
    debug: bool
    coco: Path | None


def _run(use: Use, reports: Reports, boxes: Path | None, only: bool) -> int:
    """Handle every input, write the reports, and give the exit code."""
    from deid.batch import jobs

    _check_places(use, reports)
    planned = jobs.plan(use.inputs, use.out, use.overwrite)
    given, unknown = _given(use.inputs, planned, boxes, only, record=reports.coco is not None)
    results = run_jobs(planned, use, given, _draw(use, reports))
    closing_line(results, str(reports.report or "--report FILE"))
    _write_reports(results, use, reports, given)
    nothing_begun = not any(job.target for job in planned)
    if nothing_begun and any(job.refused == "wrong use" for job in planned):
        return USAGE
    if any(result.failed for result in results) or not results:
        return FAILED
    return LEFT_OUT if unknown or any(result.left_out or result.incomplete for result in results) else 0


def _given(inputs: list[Path], planned: "list[Job]", boxes: Path | None, only: bool, record: bool) -> "tuple[dict[Path, Given], list[str]]":
    """Known boxes of each input, and the files with boxes that are no inputs.

    Raises:
        ConfigError: `--boxes-only` without boxes, or the boxes are of none of the inputs.
        DataError: the boxes cannot be read.
    """
    from deid.batch import jobs, pictures
    from deid.boxes import files as boxed

    if only and boxes is None:
        raise ConfigError("expected --boxes FILE with --boxes-only, got none")
    if boxes is None:
        folders = [path for path in inputs if path.is_dir()]
        names = {job.source: jobs.name_of(job.source, folders) for job in planned}
        return {source: pictures.Given(name, record=record) for source, name in names.items()}, []
    names, known = jobs.names_of(inputs, planned), boxed.read(boxes)
    unknown = [name for name in known if name not in set(names.values())]
    if len(unknown) == len(known):
        raise ConfigError(f"cannot use the boxes {boxes}: none of its files is an input" + (f", such as {unknown[0]}" if unknown else ""))
    for name in unknown:
        say(f"{name} has boxes in {boxes} and is no input", "left out:", "yellow")
    for name in (name for name in names.values() if name not in known):
        say(f"{name} has no boxes in {boxes}: it is searched")
    return {source: pictures.Given(name, known.get(name), only, record) for source, name in names.items()}, unknown


def _check_places(use: Use, reports: Reports) -> None:
    """Refuse places where nothing can be written, before anything is loaded."""
    from deid.batch import numbered, places

    places.check_use(use.inputs, use.out, reports.report)
    if reports.coco:
        places.check_use(use.inputs, use.out, reports.coco)
    if reports.debug and not reports.report:
        raise ConfigError("expected --report FILE with --debug: its pictures lie beside the report, and portraits are named in it")
    if reports.report and reports.debug:
        numbered.check(numbered.folder_of(reports.report), use.inputs, use.out, use.overwrite)


def _draw(use: Use, reports: Reports) -> "Draw | None":
    """What draws the pictures of `--debug`, each while its pixels are in memory; None where there are to be none."""
    from deid.batch import numbered

    if reports.report is None or not reports.debug:
        return None
    return partial(numbered.write, out=use.out, folder=numbered.folder_of(reports.report))


def _write_reports(results: list[Any], use: Use, reports: Reports, given: "dict[Path, Given]") -> None:
    from deid.imaging import atomic

    if reports.report:
        atomic.write((json.dumps(_report(results, use.options, reports.debug), indent=2) + "\n").encode(), reports.report, overwrite=True)
    if reports.coco:
        from deid.batch import coco

        names = {source: own.name for source, own in given.items()}
        atomic.write((json.dumps(coco.report(results, names)) + "\n").encode(), reports.coco, overwrite=True)


def run_jobs(jobs: "list[Job]", use: Use, given: "Mapping[Path, Given] | None" = None, draw: "Draw | None" = None) -> list[Any]:
    """Do every job and report its result; refused jobs are reported before a model is loaded."""
    from deid.batch import files
    from deid.core import seeds

    name_refused(jobs)
    if not any(job.target for job in jobs):
        return [files.refused(job) for job in jobs]
    from deid.anonymizer.engine import Anonymizer
    from deid.batch.walk import is_video
    from deid.core.memory import give_back

    if not any(job.target and is_video(job.source) for job in jobs):
        # The frames of a video need the same memory again at once.
        give_back()
    part, engine = _part(use.span), Anonymizer(use.options)
    engine.preload()

    def run_job(job: "Job", index: int, frame: Callable[[int, int], None]) -> "FileResult":
        known = (given or {}).get(job.source)
        if known is not None and engine.selection is not None:
            known = replace(known, selection=engine.selection.for_file(known.name))
        return files.run_job(job, engine, seeds.seed_of(use.options.seed, index), use.overwrite, part, frame, known, draw)

    return [_still_there(result) for result in each_shown(jobs, run_job)]


def _part(span: tuple[float, float | None, str]) -> "Span | None":
    """The requested part of videos; None for the whole, which needs no import of videos."""
    if span == (0.0, None, "keep"):
        return None
    from deid.video.results import Span

    return Span(*span)


def _still_there(result: Any) -> Any:
    from deid.batch import files

    now = files.still_there(result)
    if now is not result:
        say(f"{now.source}: {now.error}", "failed:", "red")
    return now


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
            "kept": sum(r.n_kept for r in results),
        },
    }
