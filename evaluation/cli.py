"""The commands: `compare`, `attack`, `video`, `study`, `benchmarks` and `prepare`."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress as ProgressBar

from deid.core.errors import DeidError
from evaluation import datasets, methods, recognisers, stored, summary
from evaluation.attack import AttackOptions
from evaluation.attack import attack as attack_folders
from evaluation.attacks import ATTACKS
from evaluation.compare import CompareOptions, Progress
from evaluation.compare import compare as compare_folders
from evaluation.report import study_markdown, verdict_line, write_report
from evaluation.results import Results, write
from evaluation.studies import STUDIES, StudyOptions

app = typer.Typer(
    help="Measure identity, utility and realism of de-identified pictures, for any tool's output.",
    no_args_is_help=True,
    add_completion=False,
)

_Folder = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of photos.")]
_Out = Annotated[Path, typer.Option("--output", "-o", help="Write results.json, report.html and the plots to this folder.")]
_Recogniser = Annotated[
    list[Path],
    typer.Option(
        "--recogniser",
        exists=True,
        dir_okay=False,
        help="Judge by this ArcFace-style ONNX file, beside dlib's and FaceNet. May be repeated. Default: the held-out one, where present.",
    ),
]
_Store = Annotated[
    str | None, typer.Option("--store", help="Keep the measures under this name, for the page of benchmarks. Default: not kept.")
]
_MadeBy = Annotated[list[str], typer.Option(help="Record a command that made the outputs. May be repeated.")]


@contextmanager
def _reported() -> Iterator[None]:
    """Turn the project's own errors into one line and an exit code."""
    try:
        yield
    except DeidError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def _progress() -> Iterator[Progress]:
    with ProgressBar(console=Console(stderr=True)) as bar:
        tasks: list[int] = []

        def stage(name: str, total: int) -> None:
            tasks.append(bar.add_task(name, total=total))

        yield Progress(stage, lambda: bar.advance(tasks[-1]))  # type: ignore[arg-type]


def _finish(results: Results, folder: Path, name: str | None, made_by: list[str]) -> None:
    write(results, folder)
    _keep(results, name, made_by)
    report = write_report(results, folder)
    lines = [m for m in results.measures if m.limit and m.group == "all"]
    for m in lines:
        typer.echo(verdict_line(m))
    undecided, passed = sum(m.passed is None for m in lines), sum(bool(m.passed) for m in lines)
    typer.echo(
        f"{len(lines)} privacy lines: {passed} pass, {len(lines) - passed - undecided} fail, {undecided} undecided; "
        f"{len(results.problems)} files with problems; {report}"
    )


def _keep(results: Results, name: str | None, made_by: list[str]) -> None:
    if name is not None:
        with _reported():
            typer.echo(f"stored as {stored.store(results, name, made_by)}")


@app.command()
def compare(
    originals: _Folder,
    deidentified: _Folder,
    output: _Out,
    recogniser: _Recogniser = [],  # noqa: B006
    genders: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Table with the columns image and gender. Default: LFW's, where available."),
    ] = None,
    seed: int = 0,
    store: _Store = None,
    made_by: _MadeBy = [],  # noqa: B006
) -> None:
    """Measure two folders with the same file names, whatever tool made the second one.

    Photos of one person lie in one subfolder, or are named alike up to a trailing number: Ada_Byron_0001.jpg.
    """
    with _reported(), _progress() as progress:
        results = compare_folders(originals, deidentified, CompareOptions(tuple(recogniser), genders, seed), progress)
    _finish(results, output, store, made_by)


@app.command()
def attack(
    originals: _Folder,
    deidentified: _Folder,
    output: _Out,
    recogniser: _Recogniser = [],  # noqa: B006
    only: Annotated[
        list[str], typer.Option("--attack", help=f"Run this attack: {', '.join(ATTACKS)}. May be repeated. Default: all.")
    ] = [],  # noqa: B006
    steps: Annotated[int, typer.Option(min=1, help="Train the reconstruction network for this many steps.")] = 400,
    seed: int = 0,
    store: _Store = None,
    made_by: _MadeBy = [],  # noqa: B006
) -> None:
    """Run stronger attackers on the second folder: they train on half of the people and search for the others.

    The exit code is 0 when lines fail, too.
    """
    options = AttackOptions(tuple(recogniser), tuple(only) or tuple(ATTACKS), steps, seed)
    with _reported(), _progress() as progress:
        results = attack_folders(originals, deidentified, options, progress)
    _finish(results, output, store, made_by)


@app.command()
def video(
    original: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Video before.")],
    deidentified: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Video after.")],
    output: _Out,
    recogniser: _Recogniser = [],  # noqa: B006
    seed: int = 0,
    store: _Store = None,
    made_by: _MadeBy = [],  # noqa: B006
) -> None:
    """Measure a video frame by frame: exposed faces, identity and flicker over each track, and changes of the file."""
    from evaluation.video import video as compare_films

    with _reported(), _progress() as progress:
        results = compare_films(original, deidentified, embedders=recognisers.load(recogniser), seed=seed, progress=progress)
    _finish(results, output, store, made_by)


@app.command()
def study(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(STUDIES)}.")],
    output: _Out,
    people: Annotated[int, typer.Option(min=4, help="Use this many people, where the study does not fix it.")] = 150,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Train for this many steps, where the study trains a network. Default: the study's own.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Use this generator (safetensors). Default: the shipped one.")
    ] = None,
    before: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Folder of untouched photos. Default: none.")] = None,
    after: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of a tool's output for them. Default: none.")
    ] = None,
    run_report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            exists=True,
            help="Count only new faces by this report: JSON of `deid run`, or OUT.deid of `deid dataset`. Default: all.",
        ),
    ] = None,
    least_px: Annotated[float, typer.Option(min=1, help="Use faces of at least this size in pixels.")] = 100.0,
    crops: Annotated[int, typer.Option(min=2, help="blind: number of crops, half of them untouched.")] = 60,
    answers: Annotated[list[Path], typer.Option(exists=True, dir_okay=False, help="blind: score a reader's table. May be repeated.")] = [],  # noqa: B006
    again: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="clones: another run over BEFORE. Default: none.")
    ] = None,
    bank: Annotated[Path | None, typer.Option(exists=True, help="clones: the portraits, a tar or a folder. Default: not compared.")] = None,
    detector: Annotated[list[str] | None, typer.Option(help="detectors: measure this one. Default: the shipped ones.")] = None,
    old: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="speed, video-rates: folder of an older build. Default: not measured.")
    ] = None,
    seed: int = 0,
    store: _Store = None,
    made_by: _MadeBy = [],  # noqa: B006
) -> None:
    """Run an experiment, with its figure beside the published one where there is one."""
    if name not in STUDIES:
        raise typer.BadParameter(f"unknown study {name!r}; valid are {', '.join(STUDIES)}")
    with _reported(), _progress() as progress:
        options = StudyOptions(
            people=people,
            steps=steps,
            seed=seed,
            stage=progress.stage,
            tick=progress.tick,
            folder=output,
            weights=weights,
            before=before,
            after=after,
            report=run_report,
            least_px=least_px,
            crops=crops,
            answers=tuple(answers),
            again=again,
            bank=bank,
            detectors=tuple(detector or ()),
            old=None if old is None else old.resolve(),
        )
        results = STUDIES[name](options)
    write(results, output)
    _keep(results, store, made_by)
    report = write_report(results, output)
    figures = study_markdown(results)
    (output / "figures.md").write_text(figures)
    typer.echo(figures)
    typer.echo(str(report))


@app.command()
def benchmarks(
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write.")] = stored.PAGE,
    readme: Annotated[Path, typer.Option(help="README whose table of numbers is replaced.")] = summary.README,
) -> None:
    """Write the page of benchmarks and the README's table from all stored results."""
    with _reported():
        typer.echo(str(stored.write_page(path=output)))
        typer.echo(str(summary.write_summary(stored.read_all(), readme)))


@app.command()
def prepare(
    folder: Annotated[Path, typer.Argument(help="Write photos to FOLDER/originals, and a method's output to FOLDER/METHOD.")],
    method: Annotated[
        list[str], typer.Option(help="Apply this method: solid, pixelate:12, blur:0.25, deface:blur, attgan. May be repeated.")
    ] = [],  # noqa: B006
    people: Annotated[int, typer.Option(min=1, help="Number of people with two or more photos.")] = 300,
    photos: Annotated[int, typer.Option(min=2, help="Most photos per person.")] = 2,
    others: Annotated[int, typer.Option(min=0, help="Number of people with one photo, from whom attackers learn.")] = 0,
    seed: int = 0,
) -> None:
    """Write photos of LFW people outside all training, and the output of methods: for compare and attack."""
    with _reported(), _progress() as progress:
        chosen = datasets.crowd(datasets.lfw("test"), people, photos, others, seed)
        builders = {name: methods.build(name) for name in method}
        datasets.export(chosen, folder / "originals")
        progress.stage("faces", 1)
        found = methods.find_faces(chosen) if method else []
        progress.tick()
        for name, build in builders.items():
            progress.stage(name, len(found))
            methods.write(methods.apply(found, build), folder / name.replace(":", "-"), progress.tick)


@app.callback()
def _main(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more. Default: off.")] = False) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING)
