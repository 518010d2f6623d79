"""`deid live`: cameras and streams."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from deid.cli.common import errors_shown
from deid.cli.flags import COMMON, options_from, with_flags
from deid.core.errors import ConfigError
from deid.core.messages import say
from deid.core.options import Options

if TYPE_CHECKING:
    from deid.anonymizer.engine import Anonymizer


@with_flags(*COMMON)
def live(
    source: Annotated[str, typer.Argument(help="A camera's number, /dev/video0, rtsp://..., another URL, or a video.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            "-o",
            help="Show in a `window`, or send to `camera`, http://HOST:PORT, rtsp://..., udp://..., or a file. Default: window.",
            show_default=False,
        ),
    ] = "window",
    delay: Annotated[
        int,
        typer.Option(
            min=0,
            max=250,
            help="Hold back this many frames, so that a face is covered before it is first detected. Default: 4.",
            show_default=False,
        ),
    ] = 4,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file. Default: off.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Anonymize a camera or stream while it runs; Ctrl-C ends it.

    Without `--method`, a machine that is fast enough makes new faces, and another one blurs.
    """
    with errors_shown():
        _check_url(to)
        _check_source(source)
        from deid.video.live import live as run_live
        from deid.video.sinks import sink

        place = sink(to, overwrite, _notify)
        _check_places(source, to, overwrite)
        engine = _engine(given)
        with _until_ended() as ended:
            done = run_live(source, place, engine, delay=delay, notify=_notify, wanted=lambda: not ended.is_set())
    say(
        f"{done.n_shown} of {done.n_read} frames shown, {done.n_dropped} dropped for want of time; {done.n_tracks} faces, "
        f"latency {done.latency_s:.2f} s, source lost {done.n_lost} times"
    )


def _notify(line: str) -> None:
    say(line, style="yellow")


def _engine(given: dict[str, Any]) -> "Anonymizer":
    """The engine, with its models loaded; this machine's speed chooses the method when neither flag nor file does."""
    from deid.anonymizer.engine import Anonymizer
    from deid.video.live import method_for

    options = options_from(given)
    asked = given["method"] or (options.method if options.method != Options().method else None)
    options = replace(options, method=asked or method_for(Anonymizer(replace(options, method="attgan"))))
    engine = Anonymizer(options)
    engine.preload()
    advice = "" if options.method == "attgan" else ": --method attgan insists on new faces"
    chosen = "" if asked else f", chosen by this machine's speed{advice}"
    say(f"method {options.method}{chosen}; Ctrl-C ends it")
    return engine


@contextmanager
def _until_ended() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, in place of what they do otherwise."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_places(source: str, to: str, overwrite: bool) -> None:
    """Refuse what cannot be read or written before a model is loaded."""
    from deid.batch.places import check_place
    from deid.video.live import camera

    camera(source)
    if "://" in to or to in {"window", "camera"}:
        return
    check_place(Path(to), "the output")
    if Path(to).exists() and not overwrite:
        raise ConfigError(f"cannot write {to}: it exists; pass --overwrite to replace it")


def _check_url(to: str) -> None:
    """Refuse an address to serve at that is none; what it holds is not repeated, for it may be a password."""
    try:
        _ = urlsplit(to).port if to.startswith("http://") else None
    except ValueError as error:
        raise ConfigError("expected --to http://HOST:PORT with a port of 0 to 65535, and brackets around an IPv6 address") from error


def _check_source(source: str) -> None:
    """Refuse an address to read from that is none, before a model is loaded; it is not repeated either."""
    _, is_url, rest = source.partition("://")
    try:
        # A password may hold anything, slashes too.
        _ = urlsplit("//" + rest.rpartition("@")[2]).port if is_url else None
    except ValueError as error:
        raise ConfigError("expected a source such as rtsp://HOST:PORT/PATH, a port of 0 to 65535, brackets around IPv6") from error
