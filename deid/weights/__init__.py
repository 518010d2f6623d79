"""Weights of the networks: the manifest, hashes, and downloads.

`weights/manifest.toml` names for every file its sha256, its architecture and where it comes from. A file is hashed before
a byte of it is parsed, and only safetensors are parsed.
"""

import functools
import hashlib
import importlib.util
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from deid.core.errors import DependencyError, WeightsFormatError, WeightsHashError, WeightsMissingError
from deid.models.dlib_file import BLOCKS, WIDTHS, dlib_arrays
from deid.weights.cache import cache_folder, sha256_of

#: sha256 of the files that come with other packages, in each release that is known.
_PACKAGE_FILES = {
    "dlib_face_recognition_resnet_model_v1.dat": ("55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",),
    "mmod_human_face_detector.dat": ("4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",),
    "shape_predictor_5_face_landmarks.dat": ("c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",),
    "shape_predictor_68_face_landmarks.dat": ("fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",),
}
DLIB_RESNET = "dlib_face_recognition_resnet_model_v1.dat"
MEND = "run `deid weights verify` to see which files are wrong, and install deid-face again or `git checkout weights/`"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the manifest.

    Args:
        name: what code calls it.
        file: name of the safetensors file.
        sha256: of that file; for one that is fetched, of the file at ``url``.
        architecture: arguments of the network.
        url: where a file that is not shipped comes from.
        facts: input, data, licence, command: all other entries of the manifest.
    """

    name: str
    file: str
    sha256: str
    architecture: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def folder() -> Path:
    """Where the shipped weights lie: in the installed package, or beside it in a checkout."""
    installed = Path(__file__).parent.parent / "_weights"
    return installed if installed.is_dir() else Path(__file__).parent.parent.parent / "weights"


def manifest() -> dict[str, Entry]:
    """Entries by name.

    Raises:
        WeightsMissingError: there is no manifest.
        WeightsFormatError: it does not parse.
    """
    path = folder() / "manifest.toml"
    try:
        return dict(_entries(path.read_bytes(), path.name))
    except OSError as error:
        raise WeightsMissingError(f"cannot read {path.name}: {error.strerror}; {MEND}") from error


@functools.lru_cache(maxsize=4)
def _entries(data: bytes, file: str) -> dict[str, Entry]:
    """The entries of a manifest's content, read once: that takes as long as to open a network."""
    try:
        table = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise WeightsFormatError(f"cannot parse {file}: {error}; {MEND}") from error
    return {name: _entry(name, row, file) for name, row in table.items()}


#: What an entry may say of itself, and of which type that is; everything else are facts.
_OWN = {"file": str, "sha256": str, "architecture": dict, "url": str}


def _entry(name: str, row: Any, manifest_name: str) -> Entry:
    if not isinstance(row, dict) or not {"file", "sha256"} <= row.keys():
        raise WeightsFormatError(f"expected file and sha256 for {name} of {manifest_name}; {MEND}")
    for key, kind in _OWN.items():
        if key in row and not isinstance(row[key], kind):
            raise WeightsFormatError(f"expected {key} of {name} of {manifest_name} to be {kind.__name__}, got {row[key]!r}; {MEND}")
    if row["file"] != os.path.basename(row["file"]) or "\0" in row["file"] or row["file"] in {"", ".", ".."}:
        raise WeightsFormatError(f"expected file of {name} of {manifest_name} to be a file's name, got {row['file']!r}; {MEND}")
    facts = {key: value for key, value in row.items() if key not in _OWN}
    return Entry(name, row["file"], row["sha256"], row.get("architecture", {}), row.get("url"), facts)


def entry(name: str) -> Entry:
    """One entry.

    Raises:
        WeightsMissingError: the manifest has no such name.
    """
    entries = manifest()
    if name not in entries:
        raise WeightsMissingError(f"unknown weights {name!r}; the manifest has {', '.join(sorted(entries))}")
    return entries[name]


def path_of(item: Entry) -> Path:
    """Where an entry's file lies, or would lie once fetched."""
    return (cache_folder() if item.url else folder()) / item.file


def read(name: str) -> tuple[dict[str, NDArray[Any]], Entry]:
    """The arrays of an entry, after its hash is checked.

    Raises:
        WeightsMissingError: the file is not there.
        WeightsHashError: its hash differs from the manifest's.
        WeightsFormatError: it is no safetensors file.
    """
    item = entry(name)
    data = read_bytes(item)
    try:
        return load(data), item
    except SafetensorError as error:
        raise WeightsFormatError(f"{item.file} is no safetensors file: {error}; {MEND}") from error


def read_bytes(item: Entry) -> bytes:
    """The file of an entry, after its hash is checked.

    Raises:
        WeightsMissingError: it is not there.
        WeightsHashError: its hash differs from the manifest's.
    """
    path = path_of(item)
    try:
        data = path.read_bytes()
        wanted = item.sha256 if item.url is None else path.with_suffix(".sha256").read_text().strip()
    except OSError as error:
        mend = f"run `deid weights fetch {item.name}`" if item.url else MEND
        raise WeightsMissingError(f"cannot read {item.file}: {error.strerror}; {mend}") from error
    found = sha256_of(data)
    if found != wanted:
        mend = f"run `deid weights fetch {item.name}` again" if item.url else MEND
        raise WeightsHashError(f"{item.file} has sha256 {found[:12]}..., expected {wanted[:12]}...: it was altered or cut short; {mend}")
    return data


def read_arrays(name: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """An entry that is no network: its arrays in single precision.

    Raises:
        WeightsError: the file is missing, altered, or holds other arrays than those of ``shapes``.
    """
    arrays, item = read(name)
    if {key: array.shape for key, array in arrays.items()} != shapes:
        raise WeightsFormatError(f"expected the arrays {dict(shapes)} in {item.file}; {MEND}")
    return {key: array.astype(np.float32) for key, array in arrays.items()}


def read_bank(path: Path | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of a bank of portraits: the shipped one, whose hash is checked, or a user's own file.

    Raises:
        WeightsError: the file is missing, altered, or no safetensors file.
    """
    if path is None:
        return read("portraits")[0]
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise WeightsMissingError(f"cannot read {path}: {error.strerror}") from error
    except SafetensorError as error:
        raise WeightsFormatError(f"{path} is no bank of portraits: {error}; make one with `deid portraits build`") from error


def status(item: Entry) -> str:
    """`ok`, or what is wrong with an entry's file; nothing is parsed."""
    try:
        read_bytes(item)
    except WeightsMissingError:
        return "not fetched" if item.url else "missing"
    except WeightsHashError:
        return "altered"
    return "ok"


def fetch(name: str, timeout_s: float = 60.0) -> Path:
    """Download an entry that is not shipped, check it, and keep it as safetensors.

    Raises:
        WeightsMissingError: it has no address, or cannot be reached.
        WeightsHashError: what came is another file.
        WeightsFormatError: it holds something else than tensors.
    """
    # These take as long to import as numpy, and only who fetches needs them.
    import http.client
    import tempfile
    import urllib.error
    import urllib.request

    item = entry(name)
    if item.url is None:
        raise WeightsMissingError(f"{item.file} is shipped with the package and has no address; {MEND}")
    try:
        with urllib.request.urlopen(item.url, timeout=timeout_s) as answer:
            data: bytes = answer.read()
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise WeightsMissingError(f"cannot fetch {item.url}: {error}; put the file in reach and try again") from error
    found = sha256_of(data)
    if found != item.sha256:
        raise WeightsHashError(f"{item.url} gave sha256 {found[:12]}..., expected {item.sha256[:12]}...: not kept")
    path = path_of(item)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        part = Path(scratch) / path.name
        kept = save(_arrays(data, item, Path(scratch) / "fetched"), {"source": json.dumps({"sha256": item.sha256})})
        part.write_bytes(kept)
        os.replace(part, path)
    path.with_suffix(".sha256").write_text(sha256_of(kept) + "\n")
    return path


def _arrays(data: bytes, item: Entry, scratch: Path) -> dict[str, NDArray[Any]]:
    """Arrays of a fetched file; of a torch archive only tensors are read, and none of its code."""
    try:
        if item.url and item.url.endswith(".safetensors"):
            return load(data)
        import torch

        scratch.write_bytes(data)
        state = torch.load(scratch, map_location="cpu", weights_only=True)
        return {k: v.contiguous().numpy() for k, v in state.items() if isinstance(v, torch.Tensor)}
    except Exception as error:
        raise WeightsFormatError(f"{item.url} holds something else than tensors: {error}") from error


def package_sha256(name: str) -> str:
    """The hash that a file of another package has in its newest known release."""
    return _PACKAGE_FILES[name][-1]


def dlib_model_file(name: str) -> Path:
    """A file of the `face_recognition_models` package, found without importing it (it needs pkg_resources).

    Raises:
        DependencyError: the package or the file is missing.
        WeightsHashError: it is another file than the package's known releases hold.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    path = Path(spec.origin).parent / "models" / name if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DependencyError(f"expected {name} of face_recognition_models: pip install face_recognition_models")
    _check_package_file(path, path.stat().st_mtime_ns)
    return path


@functools.cache
def read_dlib_resnet() -> dict[str, NDArray[Any]]:
    """The arrays of dlib's face recogniser, read from the file of the `face_recognition_models` package; no converted copy is made.

    Raises:
        WeightsError: the file is altered, or holds something else.
        DependencyError: the package is missing.
    """
    path = dlib_model_file(DLIB_RESNET)
    try:
        return dict(dlib_arrays(path.read_bytes()))
    except (IndexError, ValueError) as error:
        raise WeightsFormatError(f"cannot read {path.name}: {error}") from error


def dlib_resnet_entry() -> Entry:
    """What the manifest would say of dlib's face recogniser, whose file comes with another package."""
    return Entry("dlib_resnet", DLIB_RESNET, _PACKAGE_FILES[DLIB_RESNET][-1], {"blocks": BLOCKS, "widths": WIDTHS})


@functools.cache
def _check_package_file(path: Path, changed_ns: int) -> None:
    """Hash a package's file, once for each time that it was changed: dlib's landmarks alone are 100 MB."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    known = _PACKAGE_FILES.get(path.name, ())
    if found not in known:
        raise WeightsHashError(
            f"{path.name} of face_recognition_models has sha256 {found[:12]}..., expected "
            f"{' or '.join(f'{k[:12]}...' for k in known) or 'none'}: it was altered or cut short; "
            "run `pip install --force-reinstall --no-deps face_recognition_models`"
        )
