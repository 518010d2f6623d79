"""Attackers' recognisers: aligned crops to unit-norm embeddings, all behind `deid.core.protocols.Embedder`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError, WeightsMissingError
from deid.core.protocols import Embedder
from deid.core.types import Crops, Embeddings, Image
from deid.imaging.alignment import TEMPLATE
from deid.imaging.geometry import fit_similarity
from evaluation.datasets import data_folder

#: The attacker's own recogniser: nothing in `deid` is trained, tuned or selected with it.
ATTACKER_FILE = "recognisers/mobilefacenet-ms1m.onnx"
#: Where ArcFace's 112 px input wants the five landmarks (insightface, `arcface_dst`).
_ARCFACE_POINTS = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
_INPUT = 112


class ArcFaceRecogniser:
    """Any ArcFace-style network as ONNX: 112x112 RGB, (x - 127.5) / 128, one embedding out.

    J. Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019.

    Args:
        path: the file.
        threshold: L2 distance of FMR 1e-3; it stands in where a run has too few strangers to set its own. The default is
            what mobilefacenet-ms1m measures on 600 LFW photos of 300 people.
    """

    def __init__(self, path: Path, threshold: float = 1.14) -> None:
        if not path.is_file():
            raise DataError(f"expected a recogniser as an ONNX file, got {path}")
        self.name, self.threshold, self.path = path.stem, threshold, path
        self._session = _session(str(path))
        self._matrix = fit_similarity(TEMPLATE, _ARCFACE_POINTS)

    def embed(self, crops: Crops) -> Embeddings:
        """Aligned crops (N, 128, 128, 3) uint8 RGB to unit-norm rows (N, D) float32."""
        rows = [self._one(crop) for crop in crops]
        found = np.concatenate(rows) if rows else np.zeros((0, 128), np.float32)
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)

    def blob(self, crop: Image) -> NDArray[np.float32]:
        """An aligned crop (128, 128, 3) as the network's input (1, 3, 112, 112)."""
        face = cv2.warpAffine(crop, self._matrix, (_INPUT, _INPUT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return to_blob(np.asarray(face, np.uint8))

    def _one(self, crop: Image) -> Embeddings:
        answer = self._session.run(None, {self._session.get_inputs()[0].name: self.blob(crop)})[0]
        return np.asarray(answer, np.float32).reshape(1, -1)


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


def to_blob(image: Image) -> NDArray[np.float32]:
    """An (H, W, 3) image as ArcFace-style networks take it: (1, 3, H, W)."""
    return ((image.astype(np.float32) - 127.5) / 128.0).transpose(2, 0, 1)[None]


def load(onnx_files: Sequence[Path] = ()) -> list[Embedder]:
    """dlib's recogniser; FaceNet when its weights are present; the given ONNX files, else the attacker's when present.

    Raises:
        DataError: a given file is absent.
    """
    from deid.recognition.dlib_resnet import DlibResNetEmbedder

    found: list[Embedder] = [DlibResNetEmbedder(), *_facenet()]
    attacker = data_folder() / ATTACKER_FILE
    files = list(onnx_files) or ([attacker] if attacker.is_file() else [])
    return [*found, *(ArcFaceRecogniser(path) for path in files)]


def _facenet() -> list[Embedder]:
    from deid import weights
    from deid.recognition.facenet import FaceNetEmbedder

    try:
        present = weights.status(weights.entry("facenet")) == "ok"
    except WeightsMissingError:
        present = False
    return [FaceNetEmbedder()] if present else []


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
