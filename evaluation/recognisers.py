"""Recognisers of attackers: aligned crops to unit-norm embeddings, as `deid.core.protocols.Embedder`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.check.judges import recognisers_of
from deid.core.errors import DataError
from deid.core.protocols import Embedder
from deid.recognition.arcface import ArcFaceRecogniser
from evaluation.datasets import data_folder

#: The attacker's own recogniser: nothing in `deid` is trained, tuned or selected with it.
ATTACKER_FILE = "recognisers/mobilefacenet-ms1m.onnx"


class MiddleLayers:
    """What an ONNX network sees on the way, in place of its answer.

    Args:
        path: the file.
        layers: names of inner values, each of shape (1, C, H, W).

    Raises:
        DataError: there is no such file, or it lacks one of the layers.
    """

    def __init__(self, path: Path, layers: Sequence[str]) -> None:
        import onnx

        if not path.is_file():
            raise DataError(f"expected a network as an ONNX file, got {path}")
        model = onnx.load(str(path))
        for absent in set(layers) - {name for node in model.graph.node for name in node.output}:
            raise DataError(f"expected a layer {absent} in {path}, found none")
        # What no output needs is not computed.
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in layers)
        self._session, self._input = _session(model.SerializeToString()), model.graph.input[0].name

    def __call__(self, blob: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The maps (C, H, W) of one input (1, 3, H, W)."""
        return [np.asarray(answer[0], np.float32) for answer in self._session.run(None, {self._input: blob})]


def _session(model: str | bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Networks of this size are no faster on several cores, and their threads wait for each other.
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def load(onnx_files: Sequence[Path] = ()) -> list[Embedder]:
    """dlib's recogniser; FaceNet when its weights are present; the given ONNX files, else the attacker's when present.

    Raises:
        ConfigError: a given file is absent.
    """
    attacker = data_folder() / ATTACKER_FILE
    return recognisers_of(list(onnx_files) or ([attacker] if attacker.is_file() else []))


def fingerprint(recogniser: Embedder) -> str:
    """sha256 of the file that a recogniser's weights come from."""
    from deid import weights
    from deid.weights import dlib_model_file

    if isinstance(recogniser, ArcFaceRecogniser):
        path = recogniser.path
    elif recogniser.name == "facenet":
        path = weights.path_of(weights.entry("facenet"))
    else:
        path = dlib_model_file("dlib_face_recognition_resnet_model_v1.dat")
    return hashlib.sha256(path.read_bytes()).hexdigest()
