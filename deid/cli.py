"""The command `deid`: exit code 0 only when every input was handled."""

import json
import logging
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
from deid.config import METHODS, Options
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
def _progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total, note="")
        yield lambda note: bar.update(task, advance=1, note=note)


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
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s")


@app.command()
def run(
    inputs: Annotated[list[Path], typer.Argument(help="Pictures and folders of pictures.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder, or file for a single picture.")],
    method: Annotated[str | None, typer.Option(help=f"One of {', '.join(METHODS)}.")] = None,
    detector: Annotated[str | None, typer.Option(help="mtcnn, haar, dlib_hog, dlib_mmod, or a union such as mtcnn+haar.")] = None,
    seed: Annotated[int | None, typer.Option(help="For reproducible output; a fresh one by default.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write what became of every face as JSON.")] = None,
    options_file: Annotated[Path | None, typer.Option("--config", help="Options as TOML.")] = None,
    cover_image: Annotated[str | None, typer.Option(help="The picture that method 'image' puts over faces.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files, the inputs among them.")] = False,
) -> None:
    """Anonymise pictures: the same names and formats, without metadata."""
    with _errors_told():
        options = config.load(options_file) if options_file else Options()
        given: dict[str, Any] = {"method": method, "detector": detector, "seed": seed, "device": device, "cover_image": cover_image}
        options = replace(options, **{k: v for k, v in given.items() if v is not None})
        results = _run(inputs, out, options, overwrite)
        if report:
            from deid import image

            image.write((json.dumps(_report(results, options), indent=2) + "\n").encode(), report, overwrite=True)
    if any(result.error for result in results) or not results:
        raise typer.Exit(FAILED)


def _run(inputs: list[Path], out: Path, options: Options, overwrite: bool) -> list[Any]:
    """Handle every input and say what became of it."""
    from deid import files
    from deid.pipeline import Anonymizer

    jobs = files.plan(inputs, out, overwrite)
    engine, results = Anonymizer(options), []
    engine.preload()
    with _progress("anonymising", len(jobs)) as step:
        for index, job in enumerate(jobs):
            result = files.run_job(job, engine, files.seed_of(options.seed, index), overwrite)
            if result.error:
                console.print(f"[red]failed:[/red] {result.source}: {result.error}", highlight=False, soft_wrap=True)
            results.append(result)
            step(job.source.name)
    _closing_line(results)
    return results


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
    recogniser: Annotated[Path | None, typer.Option(help="MobileFaceNet as safetensors: a second recogniser to lead away from.")] = None,
    options_file: Annotated[Path | None, typer.Option("--config", help="GeneratorOptions as TOML.")] = None,
    warm: Annotated[bool, typer.Option("--warm-start", help="Begin with the shipped generator.")] = False,
) -> None:
    """Train the generator; goes on from a checkpoint in the output folder."""
    from deid.training import tasks

    with _errors_told(), _training_bar("attgan") as report:
        tasks.train_attgan(data, out, recogniser, options_file, report, warm)


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


if __name__ == "__main__":
    app()
