"""Opening of ONNX files. onnxruntime is imported here only, when a file is opened."""

from pathlib import Path
from typing import Any

from deid.core.errors import ConfigError, DependencyError


def open_session(path: Path, threads: int = 0) -> Any:
    """An onnxruntime session on the CPU.

    Args:
        path: the file.
        threads: for one run; 0 leaves it to onnxruntime. Small networks are no faster on several.

    Raises:
        DependencyError: onnxruntime is not installed.
        ConfigError: the file is missing, or is no ONNX model that onnxruntime runs.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError(f"expected onnxruntime, which runs {path.name}: pip install onnxruntime") from error
    if not path.is_file():
        raise ConfigError(f"expected an ONNX model, found no file {path}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception of its own for every way to fail
        raise ConfigError(f"expected an ONNX model in {path}: {error}") from error
