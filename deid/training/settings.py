"""Settings of a training: read from a file, and named in the manifest."""

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from deid.core.errors import ConfigError

_OptionsT = TypeVar("_OptionsT")


def read_options(kind: type[_OptionsT], path: Path | None) -> _OptionsT:
    """Settings of a run from TOML; the defaults when there is no file.

    Raises:
        ConfigError: it cannot be read or has an unknown key.
    """
    if path is None:
        return kind()
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read options from {path}: {error}") from error
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ConfigError(f"unknown option {', '.join(unknown)} in {path}; valid are {', '.join(names)}")
    return kind(**values)


def command_of(what: str, options: Any) -> str:
    """The command of a run, with the settings that differ from the defaults."""
    changed = {k: v for k, v in dataclasses.asdict(options).items() if v != getattr(type(options)(), k)}
    settings = "".join(f", {k} = {json.dumps(v)}" for k, v in changed.items())
    return f"deid train {what} --data DIR --out OUT{settings}"
