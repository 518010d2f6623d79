"""`deid weights`: the networks' files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deid.cli.common import FAILED, errors_shown
from deid.core.errors import DependencyError
from deid.core.messages import plain

app = typer.Typer(no_args_is_help=True, help="List, verify and fetch the networks' weights.", rich_markup_mode=None)


@app.command("list")
def list_weights() -> None:
    """List every file of the manifest, with its state and its facts."""
    from deid import weights

    with errors_shown():
        table = Table("name", "file", "state", "sha256", "licence")
        for name, item in sorted(weights.manifest().items()):
            row = (name, item.file, weights.status(item), item.sha256[:12], item.facts.get("licence", ""))
            table.add_row(*(Text(plain(cell)) for cell in row))
        Console().print(table)


@app.command("verify")
def verify_weights() -> None:
    """Compare every file with its hash; the exit code is 1 when a shipped one is missing or altered."""
    from deid import weights

    with errors_shown():
        states = {name: weights.status(item) for name, item in sorted(weights.manifest().items())}
    for name, state in states.items():
        typer.echo(plain(f"{name}: {state}"))
    if any(state not in {"ok", "not fetched"} for state in states.values()):
        raise typer.Exit(FAILED)


@app.command("fetch")
def fetch_weights(names: Annotated[list[str], typer.Argument(help="Names from `deid weights list`.")]) -> None:
    """Download weights that are not shipped, and check them."""
    from deid import weights

    with errors_shown():
        for name in names:
            typer.echo(plain(f"{name}: {weights.fetch(name)}"))


@app.command("export")
def export_weights(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this folder of weights. Default: the package's own.")] = None,
) -> None:
    """Write the networks' graphs for onnxruntime; needed after a training that changes an architecture."""
    from deid import weights

    with errors_shown():
        try:
            from deid.training.graphs import export_graphs
        except ModuleNotFoundError as error:
            raise DependencyError(f"expected {error.name}, which writes graphs: pip install onnx torch") from error
        for path in export_graphs(out or weights.folder()):
            typer.echo(plain(f"{path.name}: {path.stat().st_size} bytes"))
