"""Arrays that take seconds to read from another package's file, kept in the user's cache in a form that takes none."""

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from deid.weights.cache import cache_folder, sha256_of

_KINDS: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
log = logging.getLogger(__name__)


def cached_arrays(name: str, make: Callable[[], Mapping[str, NDArray[Any]]]) -> Mapping[str, NDArray[Any]]:
    """The arrays that were kept under a name, whose hash is checked, or those that are made now and then kept.

    Kept ones are a map of the file: what nobody asks for is not read into memory. A cache that cannot be written costs time, no more.

    Args:
        name: of the file; it changes with what the arrays are made from.
        make: arrays of float32 and int64.
    """
    path = cache_folder() / f"{name}.safetensors"
    try:
        if _sha256(path) == path.with_suffix(".sha256").read_text().strip():
            return _mapped(path)
    except (OSError, ValueError, KeyError):
        pass
    arrays = make()
    try:
        _keep({key: np.ascontiguousarray(array) for key, array in arrays.items()}, path)
    except OSError as error:
        log.info("cannot keep %s: %s", path.name, error.strerror)
    return arrays


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mapped(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, each a part of a map of it."""
    data = np.memmap(path, np.uint8, "r")
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    entries = json.loads(data[8:start].tobytes())
    found: dict[str, NDArray[Any]] = {}
    for name in entries.keys() - {"__metadata__"}:
        low, high = entries[name]["data_offsets"]
        part = np.asarray(data)[start + low : start + high]
        kind: np.dtype[Any] = _KINDS[entries[name]["dtype"]]
        found[name] = part.view(kind).reshape(entries[name]["shape"])
    return found


def _keep(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """Write a file and its hash; parallel calls write the same content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = save(arrays)
    for place, content in ((path, data), (path.with_suffix(".sha256"), sha256_of(data).encode() + b"\n")):
        part = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        try:
            part.write_bytes(content)
            os.replace(part, place)
        finally:
            part.unlink(missing_ok=True)
