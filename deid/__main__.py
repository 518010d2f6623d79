"""The command `deid`, and `python -m deid`: its commands are in `deid.cli`, one file for each."""

import logging
import os
import sys
from typing import Annotated

import typer

from deid._version import __version__
from deid.cli import check, dataset, demo, find, live, portraits, run, serve, train, weights
from deid.cli.common import EXIT_CODES

# Markdown, not rich's markup: help texts name extras such as 'deid-face[video]'.
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")
app.command(epilog=EXIT_CODES)(run.run)
app.command()(live.live)
app.command(epilog=EXIT_CODES)(dataset.dataset)
app.command()(demo.demo)
app.command(epilog=EXIT_CODES)(find.find)
app.command(epilog=check.EXIT_CODES)(check.check)
app.command()(serve.serve)
app.add_typer(weights.app, name="weights")
app.add_typer(train.app, name="train")
app.add_typer(portraits.app, name="portraits")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deid {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show where an error came from. Default: off.")] = False,
) -> None:
    """Anonymize faces in photos, videos and data sets.

    Every detected face is replaced by a new one, or covered. Example: `deid run photo.jpg -o out/`.
    """
    # Threads that run torch's short operators wait for Python's lock, and its usual turn of 5 ms is many operators long: with it a
    # video with two faces went through at 1.8 frames a second in place of 2.4.
    sys.setswitchinterval(5e-4)
    # Threads of numpy's algebra wait for each other by spinning; our matrices are small. It is read when numpy is imported, here and in
    # worker processes: a fifth less CPU time for photos, and a sixth less time with two workers.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s")


# Worker processes import this file again.
if __name__ == "__main__":
    app(prog_name="deid")
