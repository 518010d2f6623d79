"""`deid train`: one command for each network, from one table."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from deid.cli.common import counted, errors_shown

app = typer.Typer(no_args_is_help=True, help="Train the networks again.", rich_markup_mode=None)

_DATA = Annotated[Path, typer.Option(help="Folder with the data sets.")]
_OUT = Annotated[Path, typer.Option(help="Folder for checkpoints and results; a run continues from a checkpoint there.")]
_CONFIG = Annotated[Path | None, typer.Option("--config", help="Settings as TOML. Default: none.")]
_FROM_SHIPPED = Annotated[bool, typer.Option("--from-shipped", help="Begin with the shipped weights. Default: from nothing.")]
_IN_LOSS = Annotated[Path | None, typer.Option(help="MobileFaceNet as safetensors: recogniser used in the identity loss. Default: none.")]
_SECOND = Annotated[Path, typer.Option(help="MobileFaceNet as safetensors: second recogniser that new faces should be far from.")]
_TEACHER = Annotated[Path, typer.Option(help="SCRFD as ONNX: labels the faces.")]

#: For each network: what its command does, and the options beside data, out and settings.
TRAININGS: dict[str, tuple[str, dict[str, Any]]] = {
    "attributes": ("Train the attribute classifier.", {}),
    "attgan": ("Train the generator.", {"recogniser": (_IN_LOSS, None), "from_shipped": (_FROM_SHIPPED, False)}),
    "realism": ("Train the realism critic against the shipped generator.", {}),
    "gender": ("Train the gender reader on dlib's embeddings.", {}),
    "age": ("Train the reader of children's faces on dlib's embeddings.", {}),
    "strangers": ("Make the strangers that tell how near a face is to a person.", {}),
    "selector": ("Measure new faces under many attribute sets, and train the selector on the table.", {"recogniser": (_SECOND, ...)}),
    "detector": ("Train the face detector.", {"teacher": (_TEACHER, ...), "from_shipped": (_FROM_SHIPPED, False)}),
}


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if default is ... else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _command(name: str, extra: dict[str, Any]) -> Callable[..., None]:
    def train(**values: Any) -> None:
        from deid.training import tasks

        settings = values.pop("config")
        with errors_shown(), counted(name) as report:
            getattr(tasks, f"train_{name}")(options_file=settings, report=report, **values)

    given = {"data": (_DATA, ...), "out": (_OUT, ...), **extra, "config": (_CONFIG, None)}
    train.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=inspect.Parameter.empty if value is ... else value
            )
            for key, (kind, value) in given.items()
        ]
    )
    train.__annotations__ = {key: kind for key, (kind, _) in given.items()}
    return train


for _name, (_help, _extra) in TRAININGS.items():
    app.command(_name, help=_help)(_command(_name, _extra))
