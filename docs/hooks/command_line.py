"""The page of the command line, generated from the commands themselves."""

from typing import Any

import typer
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from deid.__main__ import app

_PAGE = "reference/command-line.md"


def on_files(files: Files, config: Any) -> Files:
    """Add the page to the site."""
    files.append(File.generated(config, _PAGE, content=page()))
    return files


def page() -> str:
    """Every command with its options, as Markdown."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="deid"), name="deid", title="Command line")
    for name, short, whole in _summaries(command):
        text = text.replace(f"* `{name}`: {short}\n", f"* `{name}`: {whole}\n")
    return text + "\n"


def _summaries(command: Any) -> list[tuple[str, str, str]]:
    """Name, cut summary and whole summary of each command below a command."""
    below = getattr(command, "commands", {}).items()
    own = [(name, c.get_short_help_str(), (c.help or "").split("\n\n")[0]) for name, c in below]
    return own + [summary for _, c in below for summary in _summaries(c)]
