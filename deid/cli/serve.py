"""`deid serve`: the page on this machine, and its REST interface."""

import threading
import webbrowser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deid.cli.common import errors_shown
from deid.cli.flags import COMMON, options_from, with_flags
from deid.core.messages import say
from deid.core.options import Options

if TYPE_CHECKING:
    from deid.anonymizer.parts import Engine
    from deid.serve.limits import Limits
    from deid.serve.uploads import Upload
    from deid.serve.work import Work

_MB = 2**20
_ADDRESS: dict[str, Any] = {"rich_help_panel": "Address", "show_default": False}
_LIMITS: dict[str, Any] = {"rich_help_panel": "Limits", "show_default": False}


@with_flags(*COMMON)
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen at this port; 0 is any free one. Default: 8321.", **_ADDRESS)] = 8321,
    host: Annotated[
        str,
        typer.Option(
            help="Listen at this address. Any but this machine's own lets others in, and requires a token. Default: 127.0.0.1.",
            **_ADDRESS,
        ),
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option(help="Accept this name in the page's address too, NAME or NAME:PORT. Repeatable. Default: none.", **_ADDRESS),
    ] = None,
    token: Annotated[
        str,
        typer.Option(
            envvar="DEID_TOKEN",
            help="Require this token of every request. Default: a fresh one when other machines are let in.",
            **_ADDRESS,
        ),
    ] = "",
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser. Default: off.", **_ADDRESS)] = False,
    temp: Annotated[
        Path | None,
        typer.Option(
            help="Keep uploads and results in a folder below this one, and delete it at the end. Default: the system's place for it.",
            **_LIMITS,
        ),
    ] = None,
    max_photo_mb: Annotated[int, typer.Option(min=1, help="Refuse larger photos, in MB. Default: 100.", **_LIMITS)] = 100,
    max_video_mb: Annotated[
        int, typer.Option("--max-video-mb", "--max-film-mb", min=1, help="Refuse larger videos, in MB. Default: 2048.", **_LIMITS)
    ] = 2048,
    max_minutes: Annotated[float, typer.Option(min=0.01, help="Refuse longer videos, in minutes. Default: 30.", **_LIMITS)] = 30.0,
    max_files: Annotated[int, typer.Option(min=1, help="Refuse more files on one page. Default: 500.", **_LIMITS)] = 500,
    *,
    given: dict[str, Any],
) -> None:
    """Serve a page on this machine: drop photos and videos, correct the result, save it. Ctrl-C ends it and deletes its files."""
    from deid.serve import server
    from deid.serve.limits import Limits

    with errors_shown():
        options = options_from(given)
        size = {"photo_bytes": max_photo_mb * _MB, "film_bytes": max_video_mb * _MB, "pixels": options.max_pixels}
        limits = Limits(duration_s=max_minutes * 60, files=max_files, **size)
        address = server.Address(host=host, port=port, names=tuple(name or ()), token=token)
        makers = server.Makers(options, partial(load_engine, options), work_of)
        server.serve(makers, address, limits, temp, lambda url: _announce(url, open_page))


def load_engine(options: Options) -> "Engine":
    """The engine with all its models: the page is there before them."""
    from deid.anonymizer.engine import Anonymizer

    engine = Anonymizer(options)
    engine.preload()
    return engine


def work_of(upload: "Upload", kind: str, engine: "Engine", limits: "Limits") -> "Work":
    """The work of an upload: a video's or a photo's."""
    if kind == "film":
        from deid.serve.videos import VideoWork

        return VideoWork(upload, engine, limits)
    from deid.serve.photos import PhotoWork

    return PhotoWork(upload, engine, limits)


def _announce(url: str, open_page: bool) -> None:
    # The address is what a script reads; the rest is for people.
    typer.echo(url)
    say("Ctrl-C ends it and deletes its files")
    if open_page:
        threading.Timer(0.5, webbrowser.open, [url]).start()
