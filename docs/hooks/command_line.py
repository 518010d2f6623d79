"""Writes the page of the command line from the commands themselves, so that it cannot fall behind them."""

from typing import Any

import typer
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from deid.cli import app

_PAGE = "reference/command-line.md"


def on_files(files: Files, config: Any) -> Files:
    """Add the page to the site."""
    files.append(File.generated(config, _PAGE, content=page()))
    return files


def page() -> str:
    """Every command with its options, as Markdown."""
    command = typer.main.get_command(app)
    return get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="deid"), name="deid", title="Command line") + "\n"
