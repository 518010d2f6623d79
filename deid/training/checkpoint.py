"""Training state on disk, so that a run continues after a kill."""

import os
from pathlib import Path
from typing import Any

import torch

from deid.core.errors import WeightsFormatError


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a state of nested state dicts and numbers, appearing whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def load(path: Path) -> dict[str, Any] | None:
    """The state written by `save`, or None when there is none.

    Raises:
        WeightsFormatError: the file holds something else than tensors and plain values; nothing of it is executed.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsFormatError(f"expected a training checkpoint in {path.name}: {error}") from error
    return state
