"""The command `deid`: exit code 0 only when every input was handled."""

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
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from deid import __version__, config
from deid.config import METHODS, QUALITIES, Options
from deid.exceptions import DeidError, DependencyError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
weights_app = typer.Typer(no_args_is_help=True, help="The networks' weights.")
train_app = typer.Typer(no_args_is_help=True, help="Train the networks again.")
app.add_typer(weights_app, name="weights")
app.add_typer(train_app, name="train")
console = Console(stderr=True)

FAILED, USAGE = 1, 2


@contextmanager
def _errors_told() -> Iterator[None]:
    """Our own errors end the command with a message and no traceback."""
    try:
        yield
    except DeidError as error:
        console.print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(USAGE) from error


@contextmanager
def _progress(what: str, total: int) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Steps of a run, and the frames of the film that it is at."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total, note="")
        film = bar.add_task("frames", total=None, note="", visible=False)

        def step(note: str) -> None:
            bar.update(task, advance=1, note=note)
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
        TextColumn("{task.fields[note]}"),
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
    """Takes the people out of pictures and leaves everything else in."""
    # Threads that run torch's short operators wait for Python's lock, and its usual turn of 5 ms is many operators long: with it a
    # film with two faces went through at 1.8 frames a second in place of 2.4.
    sys.setswitchinterval(5e-4)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s")


@app.command()
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files, the inputs among them.")] = False,
    start: Annotated[float, typer.Option(min=0.0, help="Of films, only from this second on.")] = 0.0,
    end: Annotated[float | None, typer.Option(min=0.0, help="Of films, only up to this second.")] = None,
    audio: Annotated[str, typer.Option(help="Of films: keep copies the sound bit for bit, drop leaves it out.")] = "keep",
    memory: Annotated[int | None, typer.Option(help="In films a face stays covered while so many searches miss it.")] = None,
) -> None:
    """Anonymise pictures and films: the same names and formats, without metadata."""
    with _errors_told():
        options = config.load(options_file) if options_file else Options()
        given: dict[str, Any] = {"method": method, "detector": detector, "seed": seed, "device": device, "cover_image": cover_image}
        given |= {"memory": memory, "quality": quality}
        options = replace(options, **{k: v for k, v in given.items() if v is not None})
        results = _run(inputs, out, options, overwrite, (start, end, audio))
        if report:
            from deid import image

            image.write((json.dumps(_report(results, options), indent=2) + "\n").encode(), report, overwrite=True)
    if any(result.error for result in results) or not results:
        raise typer.Exit(FAILED)


def _run(
    inputs: list[Path], out: Path, options: Options, overwrite: bool, span: tuple[float, float | None, str] = (0.0, None, "keep")
) -> list[Any]:
    """Handle every input and say what became of it."""
    from deid import files
    from deid.pipeline import Anonymizer
    from deid.video.pipeline import Span

    start, end, audio = span
    part = Span(start, end, audio)
    jobs = files.plan(inputs, out, overwrite)
    engine, results = Anonymizer(options), []
    engine.preload()
    with _progress("anonymising", len(jobs)) as (step, frame):
        for index, job in enumerate(jobs):
            result = files.run_job(job, engine, files.seed_of(options.seed, index), overwrite, part, frame)
            if result.error:
                console.print(f"[red]failed:[/red] {result.source}: {result.error}", highlight=False, soft_wrap=True)
            results.append(result)
            step(job.source.name)
    _closing_line(results)
    return results


@app.command()
def live(
    source: Annotated[str, typer.Argument(help="A camera's number, /dev/video0, rtsp://..., another URL, or a film.")],
    to: Annotated[str, typer.Option("--to", "-o", help="window, camera, http://HOST:PORT, rtsp://..., udp://..., or a file.")] = "window",
    method: Annotated[str | None, typer.Option(help="By default attgan where this machine is fast enough, else blur.")] = None,
    detector: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
    delay: Annotated[int, typer.Option(min=0, max=250, help="Frames that wait, so that a face is covered before it is first seen.")] = 4,
    memory: Annotated[int | None, typer.Option(help="A face stays covered while so many searches miss it.")] = None,
    options_file: Annotated[Path | None, typer.Option("--config", help="Options as TOML.")] = None,
    cover_image: Annotated[str | None, typer.Option(help="The picture that method 'image' puts over faces.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Anonymise a camera or stream while it runs; Ctrl-C ends it."""
    with _errors_told():
        from deid.pipeline import Anonymizer
        from deid.video.live import live as run_live
        from deid.video.live import method_for
        from deid.video.sinks import sink

        options = config.load(options_file) if options_file else Options()
        given: dict[str, Any] = {"detector": detector, "memory": memory, "device": device, "cover_image": cover_image}
        options = replace(options, **{k: v for k, v in given.items() if v is not None})
        options = replace(options, method=method or method_for(options))
        engine = Anonymizer(options)
        engine.preload()
        console.print(f"method {options.method}; Ctrl-C ends it", highlight=False)
        ended = threading.Event()
        before = signal.signal(signal.SIGINT, lambda *_: ended.set())
        try:
            done = run_live(
                source,
                sink(to, overwrite),
                engine,
                delay=delay,
                told=lambda line: console.print(f"[yellow]{line}[/yellow]", highlight=False),
                wanted=lambda: not ended.is_set(),
            )
        finally:
            signal.signal(signal.SIGINT, before)
    console.print(
        f"{done.n_shown} of {done.n_read} frames shown, {done.n_dropped} dropped for want of time; {done.n_tracks} faces, "
        f"latency {done.latency_s:.2f} s, source lost {done.n_lost} times",
        highlight=False,
    )


def _closing_line(results: list[Any]) -> None:
    faces, edited = sum(r.n_faces for r in results), sum(r.n_edited for r in results)
    failed = [r for r in results if r.error]
    none = sum(not r.error and r.n_faces == 0 for r in results)
    console.print(
        f"{len(results) - len(failed)} files written ({none} without a face), {faces} faces: {edited} edited, "
        f"{faces - edited} covered by fallback; {len(failed)} files failed",
        highlight=False,
    )
    if not results:
        console.print("[red]no pictures found[/red]")


def _report(results: list[Any], options: Options) -> dict[str, Any]:
    from dataclasses import asdict

    from deid import weights

    return {
        "deid": __version__,
        "options": asdict(options),
        "weights": {name: item.sha256 for name, item in weights.manifest().items() if item.url is None},
        "files": [result.to_dict() for result in results],
        "totals": {
            "files": len(results),
            "failed": sum(bool(r.error) for r in results),
            "faces": sum(r.n_faces for r in results),
            "edited": sum(r.n_edited for r in results),
            "fallback": sum(r.n_faces - r.n_edited for r in results),
        },
    }


@app.command()
def dataset(
    given: Annotated[str, typer.Argument(metavar="INPUT", help="Folder, pattern, table, shard, or Hugging Face data set.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder; the ledger and the report go to OUT.deid beside it.")],
    workers: Annotated[int, typer.Option(help="Processes or actors; 0 for one per core.")] = 0,
    method: Annotated[str | None, typer.Option(help=f"One of {', '.join(METHODS)}.")] = None,
    detector: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster; one is started here by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was broken off; try again what failed.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Hold the output against the ledger; of a finished run, do only that.")] = False,
    seed: Annotated[int | None, typer.Option(help="For reproducible output; a fresh one by default.")] = None,
    options_file: Annotated[Path | None, typer.Option("--config", help="Options as TOML.")] = None,
    cover_image: Annotated[str | None, typer.Option(help="The picture that method 'image' puts over faces.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...; by default a GPU when there is one.")] = None,
    quality: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
) -> None:
    """Anonymise a whole data set: structure, names and labels kept, every file accounted for."""
    from deid.dataset.run import Plan

    with _errors_told():
        options = config.load(options_file) if options_file else Options(device="auto")
        given_options: dict[str, Any] = {"method": method, "detector": detector, "seed": seed, "device": device, "cover_image": cover_image}
        given_options["quality"] = quality
        options = replace(options, **{k: v for k, v in given_options.items() if v is not None})
        plan = Plan(given=given, out=out, options=options, workers=workers, engine=engine, address=address, resume=resume)
        failed = False
        if resume or not verify or not plan.ledger.exists():
            failed = _dataset(plan)
        if verify:
            failed = _verify_dataset(plan) or failed
    if failed:
        raise typer.Exit(FAILED)


def _dataset(plan: Any) -> bool:
    """Run a data set and say how it went; whether anything failed."""
    from deid.dataset.run import run as run_dataset

    with _dataset_bar() as told:
        totals = run_dataset(plan, told)
    console.print(
        f"{totals.done} pictures written, {totals.labels} label files carried over, {totals.left_out} files left out, "
        f"{totals.faces} faces: {totals.faces - totals.fallback} as asked, {totals.fallback} covered by fallback; "
        f"{totals.failed} files failed",
        f"report: {plan.private / 'report.html'}",
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )
    if not totals.done:
        console.print("[red]no picture was written[/red]")
    return bool(totals.failed) or not totals.done


def _verify_dataset(plan: Any) -> bool:
    from deid.dataset.run import check

    problems = 0
    for problem in check(plan):
        problems += 1
        console.print(f"{problem.name!r}: {problem.what}", style="red", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{problems} problems" if problems else "verified: every file is there, whole, and passed", highlight=False)
    return bool(problems)


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
                console.print(f"failed: {record.name!r}: {record.why}", style="red", markup=False, highlight=False, soft_wrap=True)
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
    """Anonymise two photos that matplotlib and scikit-image ship, and put before and after side by side."""
    import numpy as np
    from PIL import Image

    from deid import image

    with _errors_told():
        photos = _demo_photos()
        results = _run(list(photos.values()), out, Options(seed=seed), overwrite=True)
        for result in (r for r in results if not r.error):
            before, after = (image.read(p).frames[0].rgb for p in (result.source, result.target))
            sheet = out / f"{result.source.stem}-before-after.png"
            Image.fromarray(np.concatenate([before, after], axis=1)).save(sheet)
            typer.echo(sheet)
    if any(result.error for result in results):
        raise typer.Exit(FAILED)


@weights_app.command("list")
def weights_list() -> None:
    """Every file of the manifest, its state and its facts."""
    from deid import weights

    with _errors_told():
        table = Table("name", "file", "state", "sha256", "licence")
        for name, item in sorted(weights.manifest().items()):
            table.add_row(name, item.file, weights.status(item), item.sha256[:12], str(item.facts.get("licence", "")))
        Console().print(table)


@weights_app.command("verify")
def weights_verify() -> None:
    """Hold every file against its hash; exit code 1 when a shipped one is missing or altered."""
    from deid import weights

    with _errors_told():
        states = {name: weights.status(item) for name, item in sorted(weights.manifest().items())}
    for name, state in states.items():
        typer.echo(f"{name}: {state}")
    if any(state not in {"ok", "not fetched"} for state in states.values()):
        raise typer.Exit(FAILED)


@weights_app.command("fetch")
def weights_fetch(names: Annotated[list[str], typer.Argument(help="Names from `deid weights list`.")]) -> None:
    """Download weights that are not shipped, and check them."""
    from deid import weights

    with _errors_told():
        for name in names:
            typer.echo(f"{name}: {weights.fetch(name)}")


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
    recogniser: Annotated[Path | None, typer.Option(help="MobileFaceNet as safetensors: a second judge of who a face is.")] = None,
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


@train_app.command("selector")
def train_selector(
    data: Annotated[Path, typer.Option(help="Folder with the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for the table, which goes on where it was broken off, and the result.")],
    recogniser: Annotated[Path, typer.Option(help="MobileFaceNet as safetensors: a second recogniser to get away from.")],
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
