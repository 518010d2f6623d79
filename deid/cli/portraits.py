"""`deid portraits`: banks of portraits of your own."""

from pathlib import Path
from typing import Annotated

import typer

from deid.core.errors import DeidError
from deid.core.messages import plain

app = typer.Typer(no_args_is_help=True, help="Build your own bank of portraits, from which new faces are mixed.", rich_markup_mode=None)

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


@app.command()
def mix(
    bank: Annotated[Path, typer.Argument(help="Bank of portraits of real people, made by `deid portraits build`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; it must not exist.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Make this many. Default: 100.", show_default=False)] = 100,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Make the same portraits with the same seed. Default: 0.", show_default=False)
    ] = 0,
) -> None:
    """Make portraits of nobody out of portraits of real people, four to each.

    Each gets the eyes of one, the nose of another, the mouth of the third and the skin of the fourth. Only those are written that neither
    recogniser takes for any person in the bank. Look through them, remove what looks odd, and make a bank of the rest.

    The exit code is 0 when as many were made as requested, 3 when fewer, and 1 when none.
    """
    if out.exists():
        typer.echo(plain(f"error: {out} exists"), err=True)
        raise typer.Exit(USAGE)
    from deid.editing import composites

    try:
        made = composites.write(bank, out, count, seed)
    except DeidError as error:
        typer.echo(plain(f"error: {bank}: {error}"), err=True)
        raise typer.Exit(FAILED) from error
    typer.echo(plain(f"{made} of {count} portraits in {out}"), err=True)
    if made < count:
        raise typer.Exit(LEFT_OUT if made else FAILED)
