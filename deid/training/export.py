"""Export of a trained network to a weights file with its manifest entry."""

import json
import tomllib
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from deid.weights.cache import sha256_of


def export(network: nn.Module, name: str, folder: Path, architecture: dict[str, Any], facts: dict[str, str]) -> Path:
    """Write ``folder/name.safetensors`` in half precision and its entry in ``folder/manifest.toml``.

    Args:
        network: what to store; buffers that count steps stay integers.
        name: of the entry.
        folder: made when absent; other entries of its manifest stay.
        architecture: arguments that build the network again.
        facts: input, data, licence and command, as text.
    """
    tensors = {k: (v.half() if v.is_floating_point() else v).contiguous().cpu() for k, v in network.state_dict().items()}
    return write(save(tensors), name, folder, architecture, facts)


def write(data: bytes, name: str, folder: Path, architecture: dict[str, Any], facts: dict[str, str]) -> Path:
    """Write ``folder/name.safetensors`` from its bytes, and its entry in ``folder/manifest.toml``; see `export`."""
    return write_file(data, f"{name}.safetensors", name, folder, architecture, facts)


def write_file(data: bytes, file: str, name: str, folder: Path, architecture: dict[str, Any], facts: dict[str, str]) -> Path:
    """`write` for a file of any name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_bytes(data)
    manifest = folder / "manifest.toml"
    table = tomllib.loads(manifest.read_text()) if manifest.exists() else {}
    table[name] = {"file": path.name, "sha256": sha256_of(data), "architecture": architecture, **facts}
    manifest.write_text(_toml(table))
    return path


def _toml(table: dict[str, dict[str, Any]]) -> str:
    parts = ["# The weights: `deid weights verify` holds every file against its hash before anything of it is parsed.\n"]
    for name in sorted(table):
        lines = [f"{key} = {_value(value)}" for key, value in table[name].items()]
        parts.append(f"[{name}]\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    # JSON's strings and numbers are TOML's.
    return json.dumps(value)
