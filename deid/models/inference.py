"""Networks that answer: by onnxruntime, which is imported in a tenth of a second, or by torch on other devices and without it."""

import contextlib
import functools
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import ConfigError
from deid.models.threads import n_threads

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[Any]
#: One of these is there on Linux where torch may have a GPU: NVIDIA's driver, AMD's, or Windows's below a Linux.
_GPU_DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
#: An ONNX model that answers a number with itself.
_ECHO = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)


def give_back() -> None:
    """Let onnxruntime give back what it keeps for the next answer of any network.

    After a picture of 100 megapixels it keeps 550 MB for another one, while what follows takes copies of the picture.
    """
    if "onnxruntime" in sys.modules:
        # It gives memory back at the end of an answer alone, and all sessions share their memory.
        session, sparing = _echo()
        session.run(None, {"x": np.zeros(1, np.float32)}, sparing)


@functools.cache
def _echo() -> tuple[Any, Any]:
    """A session for the smallest of answers, and how to run it so that memory is given back."""
    import onnxruntime

    sparing = onnxruntime.RunOptions()
    sparing.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return _session(_ECHO, {}), sparing


class Network(Protocol):
    """Arrays in, arrays out; several threads may ask at the same time."""

    def __call__(self, *inputs: Array) -> Sequence[NDArray[np.float32]]:
        """The answers to a batch.

        Raises:
            RuntimeError: the computation failed.
        """
        ...


def has_onnxruntime() -> bool:
    """Whether onnxruntime is installed."""
    return find_spec("onnxruntime") is not None


def best_device() -> str:
    """A GPU when torch is installed and has one, else the CPU."""
    if sys.platform == "linux" and not any(map(os.path.exists, _GPU_DRIVERS)):
        # torch, which would say the same, takes seconds to import.
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(device: str) -> None:
    """Refuse a device that is none, without importing torch for the CPU.

    Raises:
        ConfigError: torch has no such device.
    """
    if device == "cpu":
        return
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"cannot use device {device!r}: {str(error).splitlines()[0]}") from error


@functools.cache
def _share_memory() -> None:
    """Let all networks share one arena of memory, which grows by requested sizes only."""
    import onnxruntime

    place = onnxruntime.OrtMemoryInfo("Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT)
    # No limit, growth by requested sizes, and onnxruntime's defaults otherwise.
    how = onnxruntime.OrtArenaCfg(0, 1, -1, -1)
    # Other code in this process was first.
    with contextlib.suppress(RuntimeError):
        onnxruntime.create_and_register_allocator(place, how)


def _session(graph: bytes, tensors: Mapping[str, Array], side_by_side: int = 1) -> Any:
    """A session of onnxruntime on the CPU; any of its exceptions when the graph does not run with these tensors."""
    import onnxruntime

    _share_memory()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = max(1, n_threads() // side_by_side)
    # Plans for every size of picture that comes keep half as much memory again, and save no time.
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Threads that wait for the next layer by spinning take the time of those that run other networks.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(tensor, np.float32)) for tensor in tensors.values()]
    options.add_external_initializers(list(tensors), values)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class OnnxNetwork:
    """A graph without tensors, and the tensors that belong in it, on the CPU.

    Args:
        graph: an ONNX model whose initializers are stored elsewhere.
        tensors: the value of each of those initializers, and no others.
        side_by_side: how many networks answer at the same time, and share the threads.

    Raises:
        RuntimeError: the graph does not run with these tensors.
    """

    def __init__(self, graph: bytes, tensors: Mapping[str, Array], side_by_side: int = 1) -> None:
        try:
            self._session = _session(graph, tensors, side_by_side)
        except Exception as error:  # onnxruntime has an exception of its own for every way to fail
            raise RuntimeError(str(error)) from error
        self._inputs = [given.name for given in self._session.get_inputs()]

    def __call__(self, *inputs: Array) -> Sequence[NDArray[np.float32]]:
        try:
            answers: list[NDArray[np.float32]] = self._session.run(None, dict(zip(self._inputs, inputs, strict=True)))
        except Exception as error:
            raise RuntimeError(str(error)) from error
        return answers


class TorchNetwork:
    """A module of `deid.models.pixels`, in evaluation mode.

    Args:
        module: takes and gives tensors.
        device: in torch's words.
    """

    def __init__(self, module: "nn.Module", device: str = "cpu") -> None:
        import torch

        from deid.models.packed import packed

        self._torch, self._device = torch, device
        self._module = packed(module.eval().to(device).to(memory_format=torch.channels_last))

    def __call__(self, *inputs: Array) -> Sequence[NDArray[np.float32]]:
        torch = self._torch
        with torch.inference_mode():
            said = self._module(*(torch.from_numpy(np.ascontiguousarray(given)).to(self._device) for given in inputs))
            return [out.cpu().numpy() for out in (said if isinstance(said, tuple) else (said,))]
