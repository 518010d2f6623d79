"""`deid serve`: the page on this machine, and its REST interface."""

import threading
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from deid import config
from deid.config import METHODS, QUALITIES, Options
from deid.exceptions import DeidError
from deid.messages import plain, say

_MB = 2**20
USAGE = 2


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = 8321,
    host: Annotated[str, typer.Option(help="Address to listen at. Others than this machine need the token that is printed.")] = "127.0.0.1",
    name: Annotated[list[str] | None, typer.Option(help="A further name of this machine, with :PORT where a proxy has another.")] = None,
    token: Annotated[
        str, typer.Option(envvar="DEID_TOKEN", help="Ask for this token. Default: a fresh one where others reach the page.")
    ] = "",
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    method: Annotated[str | None, typer.Option(help=f"One of {', '.join(METHODS)}. Default: attgan.")] = None,
    quality: Annotated[str | None, typer.Option(help=f"How much is tried for each face: {', '.join(QUALITIES)}.")] = None,
    detector: Annotated[str | None, typer.Option(help="As for `deid run`.")] = None,
    seed: Annotated[int | None, typer.Option(help="For reproducible output; a fresh one by default.")] = None,
    options_file: Annotated[Path | None, typer.Option("--config", help="Options as TOML.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...")] = None,
    temp: Annotated[Path | None, typer.Option(help="Folder in which the private folder is made. Default: the system's.")] = None,
    max_photo_mb: Annotated[int, typer.Option(min=1, help="Largest photo, in megabytes.")] = 100,
    max_film_mb: Annotated[int, typer.Option(min=1, help="Largest film, in megabytes.")] = 2048,
    max_minutes: Annotated[float, typer.Option(min=0.01, help="Longest film.")] = 30.0,
    max_files: Annotated[int, typer.Option(min=1, help="Most files of one page.")] = 500,
) -> None:
    """Serve a page on this machine: drop photos and films, correct what was done, save. Ctrl-C ends it and deletes its files."""
    from deid.serve.limits import Limits
    from deid.serve.server import Address
    from deid.serve.server import serve as run

    try:
        given: dict[str, Any] = {"method": method, "quality": quality, "detector": detector, "seed": seed, "device": device}
        options = _options(options_file, given)
        limits = Limits(
            photo_bytes=max_photo_mb * _MB,
            film_bytes=max_film_mb * _MB,
            duration_s=max_minutes * 60,
            files=max_files,
            pixels=options.max_pixels,
        )
        address = Address(host=host, port=port, names=tuple(name or ()), token=token)
        run(options, address, limits, temp, lambda url: _told(url, open_page))
    except DeidError as error:
        say(error, "error:", "red")
        raise typer.Exit(USAGE) from error


def _options(options_file: Path | None, given: dict[str, Any]) -> Options:
    from dataclasses import replace

    options = config.load(options_file) if options_file else Options()
    return replace(options, **{key: value for key, value in given.items() if value is not None})


def _told(url: str, open_page: bool) -> None:
    # The address is what a script reads; the rest is for people.
    typer.echo(url)
    say(plain("Ctrl-C ends it and deletes its files"))
    if open_page:
        threading.Timer(0.5, webbrowser.open, [url]).start()
