"""The networks that every run needs, by name: through onnxruntime on a CPU, through torch elsewhere and where that is not installed.

A network's graph lies beside its weights as an ONNX file of a few kilobytes without tensors, made by `deid weights export`. The tensors
come from the weights themselves, so that no second copy of them is stored.
"""

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.core.errors import WeightsFormatError
from deid.models.inference import Network, OnnxNetwork, TorchNetwork, check_device, has_onnxruntime
from deid.models.threads import SideBySide, n_threads

if TYPE_CHECKING:
    from torch import nn

#: The entry of the manifest that holds each network's weights; none for those of another package.
SOURCES: dict[str, str | None] = {
    "attgan": "attgan",
    "attributes": "attributes",
    "centerface": "centerface",
    "dlib_resnet": None,
    "glasses": "glasses",
    "mobilenet": "mobilenet",
    "objects": "objects",
    "onet": "mtcnn",
    "pnet": "mtcnn",
    "realism": "realism",
    "rnet": "mtcnn",
}
#: MTCNN's networks answer while CenterFace does. With all threads each they take a quarter more CPU time on two cores, and as long.
_SIDE_BY_SIDE = dict.fromkeys(("centerface", "onet", "pnet", "rnet"), 2)
_locks = {name: threading.Lock() for name in SOURCES}


def graph_name(name: str) -> str:
    """The manifest's entry of a network's graph."""
    return f"{name}_graph"


def open_network(name: str, device: str = "cpu") -> Network:
    """A network of `SOURCES`, opened once in a process. Pixels go in as they are, (N, H, W, 3) in [0, 255].

    Args:
        name: `pnet`, `rnet` and `onet` are MTCNN's, and take float32 as `attgan` does; the others take uint8.
        device: in torch's words.

    Raises:
        ConfigError: there is no such device.
        WeightsError: a file is missing, altered, or of another architecture.
        DependencyError: a package is missing.
    """
    with _locks[name]:
        return _opened(name, device, *(_stamp(path) for path in _files(name)))


def open_together(names: Sequence[str], device: str = "cpu") -> None:
    """Open several networks at the same time, for `open_network` to find them open."""
    SideBySide(min(len(names), n_threads())).starmap(open_network, [(name, device) for name in names])


def arrays_of(name: str) -> dict[str, NDArray[Any]]:
    """A network's tensors as its graph names them.

    Raises:
        WeightsError: the file is missing, altered, or holds something else.
        DependencyError: the package that ships it is missing.
    """
    # Counters of training steps belong to no answer.
    return {key: array for key, array in _stored(name).items() if array.dtype.kind == "f"}


def module_of(name: str) -> "nn.Module":
    """A network of `SOURCES` as a torch module, as it is run.

    Raises:
        WeightsError: the file is missing, altered, or of another architecture.
        DependencyError: the package that ships it is missing.
    """
    from deid.models.shipped import as_run

    item = _entry(name)
    try:
        return as_run(name, _stored(name), item.architecture)
    except (RuntimeError, TypeError) as error:
        raise WeightsFormatError(f"{item.file} holds another architecture than {name}: {error}; {weights.MEND}") from error


def _stored(name: str) -> dict[str, NDArray[Any]]:
    """All tensors of a network, by the names of its module."""
    source = SOURCES[name]
    if source is None:
        return weights.read_dlib_resnet()
    arrays, _ = weights.read(source)
    prefix = "" if source == name else f"{name}."
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def _entry(name: str) -> weights.Entry:
    source = SOURCES[name]
    return weights.dlib_resnet_entry() if source is None else weights.entry(source)


def _files(name: str) -> list[Path]:
    source = SOURCES[name]
    own = weights.dlib_model_file(weights.DLIB_RESNET) if source is None else weights.path_of(weights.entry(source))
    return [own, weights.folder() / "manifest.toml"]


def _stamp(path: Path) -> tuple[str, int]:
    """Path and modification time: a changed file is read again."""
    return str(path), path.stat().st_mtime_ns if path.exists() else 0


@functools.lru_cache(maxsize=32)
def _opened(name: str, device: str, *stamps: tuple[str, int]) -> Network:
    if device == "cpu" and has_onnxruntime():
        return _onnx(name)
    check_device(device)
    return TorchNetwork(module_of(name), device)


def _onnx(name: str) -> Network:
    graph = weights.entry(graph_name(name))
    arrays = arrays_of(name)
    try:
        tensors = {key: np.asarray(array, np.float32) for key, array in arrays.items()}
        return OnnxNetwork(weights.read_bytes(graph), tensors, _SIDE_BY_SIDE.get(name, 1))
    except RuntimeError as error:
        mend = f"run `deid weights export` after a training, or {weights.MEND}"
        raise WeightsFormatError(f"{_entry(name).file} holds another architecture than {graph.file}: {error}; {mend}") from error
