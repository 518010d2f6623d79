"""The command `deid`. Exit code: 0 when every input was handled, 1 when something failed, 2 for wrong use, 3 when some was left out."""

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files as resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from deid import __version__, cli_portraits, cli_serve, config
from deid.config import BOXES, METHODS, QUALITIES, REACHES, STAND_INS, Options
from deid.exceptions import ConfigError, DeidError, DependencyError
from deid.messages import console, plain, say

if TYPE_CHECKING:
    from deid.files import Job

# Help texts name extras such as 'deid-face[video]', which rich would take for markup.
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
weights_app = typer.Typer(no_args_is_help=True, help="The networks' weights.", rich_markup_mode=None)
train_app = typer.Typer(no_args_is_help=True, help="Train the networks again.", rich_markup_mode=None)
app.add_typer(weights_app, name="weights")
app.add_typer(train_app, name="train")
app.add_typer(cli_portraits.app, name="portraits")
app.command()(cli_serve.serve)
log = logging.getLogger(__name__)

FAILED, USAGE, LEFT_OUT = 1, 2, 3
EXIT_CODES = (
    "Exit code: 0 when every input was handled, 1 when something failed, 2 for wrong use, 3 when files were left out, "
    "or a part of one (each is named)."
)


@contextmanager
def _errors_told() -> Iterator[None]:
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


@contextmanager
def _progress(what: str, total: int) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Steps of a run, and the frames of the film that it is at."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total, note="")
        film = bar.add_task("frames", total=None, note="", visible=False)

        def step(note: str) -> None:
            bar.update(task, advance=1, note=plain(note))
            bar.reset(film, visible=False, start=True)

        def frame(done: int, of: int) -> None:
            bar.update(film, completed=done, total=max(done, of) if of else None, visible=True)

        yield step, frame


@contextmanager
def _training_bar(what: str) -> Iterator[Callable[[int, int, str], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None, note="")
        yield lambda step, steps, note: bar.update(task, completed=step, total=steps, note=note)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deid {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
) -> None:
    """Anonymize faces in photos, videos and data sets."""
    # Threads that run torch's short operators wait for Python's lock, and its usual turn of 5 ms is many operators long: with it a
    # film with two faces went through at 1.8 frames a second in place of 2.4.
    sys.setswitchinterval(5e-4)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s")


def _options(options_file: Path | None, given: dict[str, Any], usual: Options | None = None) -> Options:
    """Options of a file, or the usual ones, with those of the command line in place of theirs."""
    options = config.load(options_file) if options_file else usual or Options()
    options = replace(options, **{name: value for name, value in given.items() if value is not None})
    for name in (options.cover_image, options.portraits):
        if name and Path(name).exists() and not Path(name).is_file():
            raise ConfigError(f"cannot read {name}: it is no regular file")
    return options


@app.command(epilog=EXIT_CODES)
def run(
    inputs: Annotated[list[Path], typer.Argument(help="Pictures, films, and folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder, or file for a single input.")],
    method: Annotated[str | None, typer.Option(help=f"One of {', '.join(METHODS)}.")] = None,
    detector: Annotated[str | None, typer.Option(help="By name, yolo:FILE, scrfd:FILE, or a union: mtcnn+haar.")] = None,
    seed: Annotated[int | None, typer.Option(help="For reproducible output; a fresh one by default.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write what became of every face as JSON.")] = None,
    options_file: Annotated[Path | None, typer.Option("--config", help="Options as TOML.")] = None,
    cover_image: Annotated[str | None, typer.Option(help="The picture that method 'image' puts over faces.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...")] = None,
    quality: Annotated[str | None, typer.Option(help=f"How much is tried for each face: {', '.join(QUALITIES)}.")] = None,
    portraits: Annotated[str | None, typer.Option(help="Bank of portraits of your own, from `deid portraits build`.")] = None,
    reach: Annotated[str | None, typer.Option(help=f"What is changed: {' or '.join(REACHES)}. Default: face.")] = None,
    stand_in: Annotated[str | None, typer.Option(help=f"What AttGAN edits: {' or '.join(STAND_INS)}. Default: portrait.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files, the inputs among them.")] = False,
    start: Annotated[float, typer.Option(min=0.0, help="Of films, only from this second on.")] = 0.0,
    end: Annotated[float | None, typer.Option(min=0.0, help="Of films, only up to this second.")] = None,
    audio: Annotated[str, typer.Option(help="Of films: keep copies the sound bit for bit, drop leaves it out.")] = "keep",
    memory: Annotated[
        int | None, typer.Option(help="Searches of a film that may miss a face before its track is dropped. Default: 2.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="In the report, name the portraits of each face in a picture.")] = False,
) -> None:
    """Anonymize pictures and films: the same names and formats, without metadata."""
    with _errors_told():
        given: dict[str, Any] = {"method": method, "detector": detector, "seed": seed, "device": device, "cover_image": cover_image}
        given |= {"memory": memory, "quality": quality, "portraits": portraits, "reach": reach, "stand_in": stand_in}
        options = _options(options_file, given)
        code = _run_and_tell(inputs, out, options, overwrite, (start, end, audio), report, debug)
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
    from deid import files

    files.check_use(inputs, out, report)
    jobs = files.plan(inputs, out, overwrite)
    results = _run(jobs, options, overwrite, span)
    _closing_line(results)
    if report:
        from deid import image

        image.write((json.dumps(_report(results, options, debug), indent=2) + "\n").encode(), report, overwrite=True)
    nothing_begun = not any(job.target for job in jobs)
    if nothing_begun and any(job.refused == "wrong use" for job in jobs):
        return USAGE
    if any(result.failed for result in results) or not results:
        return FAILED
    return LEFT_OUT if any(result.left_out or result.incomplete for result in results) else 0


def _run(jobs: "list[Job]", options: Options, overwrite: bool, span: tuple[float, float | None, str] = (0.0, None, "keep")) -> list[Any]:
    """Do every job and say what became of it; what was refused is told before a model is loaded."""
    from deid import files

    for job in jobs:
        if job.target is None:
            left_out = job.refused == "left out"
            say(f"{job.source}: {job.error}", "left out:" if left_out else "failed:", "yellow" if left_out else "red")
    if not any(job.target for job in jobs):
        return [files.refused(job) for job in jobs]
    from deid.pipeline import Anonymizer
    from deid.video.pipeline import Span

    start, end, audio = span
    part, engine, results = Span(start, end, audio), Anonymizer(options), []
    engine.preload()
    with _progress("anonymizing", sum(job.target is not None for job in jobs)) as (step, frame):
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


def _still_there(result: Any) -> Any:
    from deid import files

    now = files.still_there(result)
    if now is not result:
        say(f"{now.source}: {now.error}", "failed:", "red")
    return now


@app.command()
def live(
    source: Annotated[str, typer.Argument(help="A camera's number, /dev/video0, rtsp://..., another URL, or a film.")],
    to: Annotated[str, typer.Option("--to", "-o", help="window, camera, http://HOST:PORT, rtsp://..., udp://..., or a file.")] = "window",
    method: Annotated[str | None, typer.Option(help="By default attgan where this machine is fast enough, else blur.")] = None,
    detector: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
    delay: Annotated[int, typer.Option(min=0, max=250, help="Frames that wait, so that a face is covered before it is first seen.")] = 4,
    memory: Annotated[int | None, typer.Option(help="Searches that may miss a face before its track is dropped. Default: 2.")] = None,
    options_file: Annotated[Path | None, typer.Option("--config", help="Options as TOML.")] = None,
    cover_image: Annotated[str | None, typer.Option(help="The picture that method 'image' puts over faces.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Anonymize a camera or stream while it runs; Ctrl-C ends it."""
    with _errors_told():
        _check_url(to)
        from deid.pipeline import Anonymizer
        from deid.video.live import live as run_live
        from deid.video.live import method_for
        from deid.video.sinks import sink

        options = _options(options_file, {"detector": detector, "memory": memory, "device": device, "cover_image": cover_image})

        def told(line: str) -> None:
            say(line, style="yellow")

        place = sink(to, overwrite, told)
        asked = method or (options.method if options.method != Options().method else None)
        options = replace(options, method=asked or method_for(options))
        engine = Anonymizer(options)
        engine.preload()
        chosen = (
            ""
            if asked
            else ", chosen by this machine's speed" + ("" if options.method == "attgan" else ": --method attgan insists on new faces")
        )
        say(f"method {options.method}{chosen}; Ctrl-C ends it")
        ended = threading.Event()
        before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            done = run_live(
                source,
                place,
                engine,
                delay=delay,
                told=told,
                wanted=lambda: not ended.is_set(),
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    say(
        f"{done.n_shown} of {done.n_read} frames shown, {done.n_dropped} dropped for want of time; {done.n_tracks} faces, "
        f"latency {done.latency_s:.2f} s, source lost {done.n_lost} times"
    )


def _check_url(to: str) -> None:
    """Refuse an address to serve at that is none; what it holds is not repeated, for it may be a password."""
    try:
        _ = urlsplit(to).port if to.startswith("http://") else None
    except ValueError as error:
        raise ConfigError("expected --to http://HOST:PORT with a port of 0 to 65535, and brackets around an IPv6 address") from error


def _closing_line(results: list[Any]) -> None:
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
    from dataclasses import asdict

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


@app.command(epilog=EXIT_CODES)
def dataset(
    given: Annotated[str, typer.Argument(metavar="INPUT", help="Folder, pattern, table, shard, or Hugging Face data set.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder; the ledger and the report go to OUT.deid beside it.")],
    workers: Annotated[int, typer.Option(help="Processes or actors; 0 for one per core.")] = 0,
    method: Annotated[str | None, typer.Option(help=f"One of {', '.join(METHODS)}.")] = None,
    detector: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster; one is started here by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was broken off; try again what failed.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify the output against the ledger; skip processing if the run is finished.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="For reproducible output; a fresh one by default.")] = None,
    options_file: Annotated[Path | None, typer.Option("--config", help="Options as TOML.")] = None,
    cover_image: Annotated[str | None, typer.Option(help="The picture that method 'image' puts over faces.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...; by default a GPU when there is one.")] = None,
    quality: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
    portraits: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
    reach: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
    stand_in: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
    boxes: Annotated[
        str | None, typer.Option(help=f"Of a table's boxes, one of {', '.join(BOXES)}: search for further faces, or not.")
    ] = None,
) -> None:
    """Anonymize a whole data set: structure, names and labels kept, every file accounted for."""
    from deid.dataset.run import Plan

    with _errors_told():
        given_options: dict[str, Any] = {"method": method, "detector": detector, "seed": seed, "device": device, "cover_image": cover_image}
        given_options |= {"quality": quality, "boxes": boxes, "portraits": portraits, "reach": reach, "stand_in": stand_in}
        options = _options(options_file, given_options, Options(device="auto"))
        plan = Plan(given=given, out=out, options=options, workers=workers, engine=engine, address=address, resume=resume)
        code = 0
        if resume or not verify or not plan.ledger.exists():
            code = _dataset(plan)
        if verify:
            code = _verify_dataset(plan) or code
    if code:
        raise typer.Exit(code)


def _dataset(plan: Any) -> int:
    """Run a data set and say how it went; gives the exit code."""
    from deid.dataset.run import left_out
    from deid.dataset.run import run as run_dataset

    with _dataset_bar() as told:
        totals = run_dataset(plan, told)
    names = []
    for name, why in left_out(plan):
        say(f"{name!r}: {why}", "left out:", "yellow")
        names.append(name)
    say(
        f"{totals.done} pictures written, {totals.labels} label files carried over, {totals.left_out} files left out, "
        f"{totals.faces} faces: {totals.faces - totals.fallback} as asked, {totals.fallback} covered by fallback; "
        f"{totals.failed} files failed" + (f"; left out: {', '.join(names)}" if names else "")
    )
    say(f"report: {plan.private / 'report.html'}")
    if not totals.done:
        say("no picture was written", style="red")
    if totals.failed or not (totals.done or totals.left_out):
        return FAILED
    return LEFT_OUT if totals.left_out else 0


def _verify_dataset(plan: Any) -> int:
    """Say what is wrong with an output; gives the exit code."""
    from deid.dataset.run import check

    problems = 0
    with _looking_bar() as told:
        for problem in check(plan, told):
            problems += 1
            say(f"{problem.name!r}: {problem.what}", style="red")
    say(f"{problems} problems" if problems else "verified: every file is there, whole, and passed")
    return FAILED if problems else 0


@contextmanager
def _looking_bar() -> Iterator[Callable[[int, int], None]]:
    with Progress(TextColumn("looking again"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


@contextmanager
def _dataset_bar() -> Iterator[Callable[[Any, Any], None]]:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rate]} {task.fields[faces]} faces, {task.fields[fallback]} fallbacks, {task.fields[failed]} failed"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("data set", total=None, rate="", faces=0, fallback=0, failed=0)

        def told(totals: Any, record: Any) -> None:
            if record.status == "failed":
                say(f"{record.name!r}: {record.why}", "failed:", "red")
            fields = {"faces": totals.faces, "fallback": totals.fallback, "failed": totals.failed}
            bar.update(task, total=totals.files, completed=totals.files - totals.pending, **fields)
            if speed := bar.tasks[0].speed:
                bar.update(task, rate=f"{speed:.1f}/s,")

        yield told


def _demo_photos() -> dict[str, Path]:
    """Photos of faces that other packages ship."""
    wanted = {
        "grace_hopper.jpg": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
        "astronaut.png": ("skimage", "data/astronaut.png"),
    }
    found = {name: Path(str(resources(package))) / path for name, (package, path) in wanted.items() if find_spec(package)}
    found = {name: path for name, path in found.items() if path.exists()}
    if not found:
        raise DependencyError("expected matplotlib or scikit-image, whose sample photos the demo takes: pip install 'deid-face[demo]'")
    return found


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures.")] = Path("deid-demo"),
    seed: Annotated[int | None, typer.Option(help="For reproducible output.")] = None,
) -> None:
    """Anonymize two photos that matplotlib and scikit-image ship, and put before and after side by side."""
    import numpy as np
    from PIL import Image

    from deid import image

    with _errors_told():
        from deid import files

        results = _run(files.plan(list(_demo_photos().values()), out, overwrite=True), Options(seed=seed), overwrite=True)
        _closing_line(results)
        for result in (r for r in results if not r.error):
            before, after = (image.read(p).frames[0].rgb for p in (result.source, result.target))
            sheet = out / f"{result.source.stem}-before-after.png"
            Image.fromarray(np.concatenate([before, after], axis=1)).save(sheet)
            typer.echo(plain(sheet))
    if any(result.error for result in results):
        raise typer.Exit(FAILED)


@weights_app.command("list")
def weights_list() -> None:
    """Every file of the manifest, its state and its facts."""
    from deid import weights

    with _errors_told():
        table = Table("name", "file", "state", "sha256", "licence")
        for name, item in sorted(weights.manifest().items()):
            row = (name, item.file, weights.status(item), item.sha256[:12], item.facts.get("licence", ""))
            table.add_row(*(Text(plain(cell)) for cell in row))
        Console().print(table)


@weights_app.command("verify")
def weights_verify() -> None:
    """Hold every file against its hash; exit code 1 when a shipped one is missing or altered."""
    from deid import weights

    with _errors_told():
        states = {name: weights.status(item) for name, item in sorted(weights.manifest().items())}
    for name, state in states.items():
        typer.echo(plain(f"{name}: {state}"))
    if any(state not in {"ok", "not fetched"} for state in states.values()):
        raise typer.Exit(FAILED)


@weights_app.command("fetch")
def weights_fetch(names: Annotated[list[str], typer.Argument(help="Names from `deid weights list`.")]) -> None:
    """Download weights that are not shipped, and check them."""
    from deid import weights

    with _errors_told():
        for name in names:
            typer.echo(plain(f"{name}: {weights.fetch(name)}"))


@train_app.command("attributes")
def train_attributes(
    data: Annotated[Path, typer.Option(help="Folder with the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint and result.")],
    options_file: Annotated[Path | None, typer.Option("--config", help="ClassifierOptions as TOML.")] = None,
) -> None:
    """Train the attribute classifier."""
    from deid.training import tasks

    with _errors_told(), _training_bar("attributes") as report:
        tasks.train_attributes(data, out, options_file, report)


@train_app.command("attgan")
def train_attgan(
    data: Annotated[Path, typer.Option(help="Folder with the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, curves and sample grids.")],
    recogniser: Annotated[Path | None, typer.Option(help="MobileFaceNet as safetensors: recogniser used in the identity loss.")] = None,
    options_file: Annotated[Path | None, typer.Option("--config", help="GeneratorOptions as TOML.")] = None,
    from_shipped: Annotated[bool, typer.Option("--from-shipped", help="Begin with the shipped weights, not from nothing.")] = False,
) -> None:
    """Train the generator; goes on from a checkpoint in the output folder."""
    from deid.training import tasks

    with _errors_told(), _training_bar("attgan") as report:
        tasks.train_attgan(data, out, recogniser, from_shipped, options_file, report)


@train_app.command("realism")
def train_realism(
    data: Annotated[Path, typer.Option(help="Folder with the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for the result.")],
    options_file: Annotated[Path | None, typer.Option("--config", help="RealismOptions as TOML.")] = None,
) -> None:
    """Train the realism critic against the shipped generator."""
    from deid.training import tasks

    with _errors_told(), _training_bar("realism") as report:
        tasks.train_realism(data, out, options_file, report)


@train_app.command("gender")
def train_gender(
    data: Annotated[Path, typer.Option(help="Folder with the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for the result.")],
    options_file: Annotated[Path | None, typer.Option("--config", help="GenderOptions as TOML.")] = None,
) -> None:
    """Train the reader of gender on dlib's embeddings."""
    from deid.training import tasks

    with _errors_told(), _training_bar("gender") as report:
        tasks.train_gender(data, out, options_file, report)


@train_app.command("age")
def train_age(
    data: Annotated[Path, typer.Option(help="Folder with the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for the result.")],
    options_file: Annotated[Path | None, typer.Option("--config", help="AgeOptions as TOML.")] = None,
) -> None:
    """Train the reader of children's faces on dlib's embeddings."""
    from deid.training import tasks

    with _errors_told(), _training_bar("age") as report:
        tasks.train_age(data, out, options_file, report)


@train_app.command("selector")
def train_selector(
    data: Annotated[Path, typer.Option(help="Folder with the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for the table, which goes on where it was broken off, and the result.")],
    recogniser: Annotated[Path, typer.Option(help="MobileFaceNet as safetensors: second recogniser to be far from.")],
    options_file: Annotated[Path | None, typer.Option("--config", help="SelectorOptions as TOML.")] = None,
) -> None:
    """Measure what many faces become under many attribute sets, and train the selector on it."""
    from deid.training import tasks

    with _errors_told(), _training_bar("selector") as report:
        tasks.train_selector(data, out, recogniser, options_file, report)


@train_app.command("detector")
def train_detector(
    data: Annotated[Path, typer.Option(help="Folder with the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for labels, checkpoint and result.")],
    teacher: Annotated[Path, typer.Option(help="SCRFD as ONNX: says where the faces are.")],
    from_shipped: Annotated[bool, typer.Option("--from-shipped", help="Begin with the shipped weights, not from nothing.")] = False,
    options_file: Annotated[Path | None, typer.Option("--config", help="DetectorOptions as TOML.")] = None,
) -> None:
    """Train the face detector; goes on from a checkpoint in the output folder."""
    from deid.training import tasks

    with _errors_told(), _training_bar("detector") as report:
        tasks.train_detector(data, out, teacher, from_shipped, options_file, report)


if __name__ == "__main__":
    app()
