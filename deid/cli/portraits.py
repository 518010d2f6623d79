"""`deid portraits`: banks of portraits of your own."""

from pathlib import Path
from typing import Annotated

import typer

from deid.core.errors import DeidError
from deid.core.messages import plain

app = typer.Typer(no_args_is_help=True, help="Build banks of portraits for stand-ins.", rich_markup_mode=None)

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
#: Exit codes: everything used; nothing could be; wrong use; some pictures left out.
FAILED, USAGE, LEFT_OUT = 1, 2, 3


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures with one face each, of people who do not exist.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, such as mine.safetensors.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file. Default: off.")] = False,
) -> None:
    """Make a bank of portraits out of a folder of pictures.

    The exit code is 0 when every picture is in it, and 1 when none can be used. It is 3 when some were left out, each with its reason.
    """
    if not folder.is_dir():
        typer.echo(plain(f"error: {folder} is no folder"), err=True)
        raise typer.Exit(USAGE)
    if out.exists() and not overwrite:
        typer.echo(plain(f"error: {out} exists; pass --overwrite to replace it"), err=True)
        raise typer.Exit(USAGE)
    from deid.editing.portrait_bank import build as build_bank

    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    problems = []
    try:
        for _, problem in build_bank(paths, out):
            if problem:
                problems.append(problem)
                typer.echo(plain(f"left out: {problem}"), err=True)
    except DeidError as error:
        typer.echo(plain(f"error: {folder}: {error}"), err=True)
        raise typer.Exit(FAILED) from error
    typer.echo(plain(f"{len(paths) - len(problems)} of {len(paths)} pictures in {out}"), err=True)
    if problems:
        raise typer.Exit(LEFT_OUT)
