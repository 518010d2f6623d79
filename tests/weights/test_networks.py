"""Networks give the same answers through onnxruntime and through torch, and a file that does not fit is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deid import weights
from deid.core.errors import ConfigError, WeightsFormatError, WeightsHashError
from deid.detection.cascade import Networks
from deid.models import inference
from deid.models.inference import OnnxNetwork, TorchNetwork
from deid.weights import networks
from deid.weights.networks import SOURCES, arrays_of, graph_name, module_of, open_network

_RNG = np.random.default_rng(0)


def _pixels(n: int, h: int, w: int) -> NDArray[np.uint8]:
    return _RNG.integers(0, 256, (n, h, w, 3), np.uint8)


#: Inputs of two batch sizes, and of two sizes of images where any is allowed.
INPUTS: dict[str, list[tuple[NDArray[np.generic], ...]]] = {
    "attgan": [
        (_pixels(n, 128, 128).astype(np.float32), _RNG.standard_normal((k * n, 13)).astype(np.float32)) for n, k in ((1, 3), (2, 2))
    ],
    "attributes": [(_pixels(n, 128, 128),) for n in (1, 3)],
    "centerface": [(_pixels(1, h, w),) for h, w in ((64, 96), (128, 64))],
    "dlib_resnet": [(_pixels(n, 150, 150),) for n in (1, 3)],
    "glasses": [(_pixels(n, 144, 256),) for n in (1, 3)],
    "mobilenet": [(_pixels(n, 160, 160),) for n in (1, 3)],
    "objects": [(_pixels(n, 128, 128),) for n in (1, 3)],
    "onet": [(_pixels(n, 48, 48).astype(np.float32),) for n in (1, 5)],
    "pnet": [(_pixels(n, h, w).astype(np.float32),) for n, h, w in ((1, 12, 12), (2, 61, 40), (1, 40, 61))],
    "realism": [(_pixels(n, 128, 128),) for n in (1, 3)],
    "rnet": [(_pixels(n, 24, 24).astype(np.float32),) for n in (1, 5)],
}


@pytest.mark.parametrize("name", SOURCES)
def test_both_ways_answer_alike(name: str) -> None:
    ours, torchs = open_network(name), TorchNetwork(module_of(name))
    assert isinstance(ours, OnnxNetwork)
    for given in INPUTS[name]:
        for a, b in zip(ours(*given), torchs(*given), strict=True):
            assert a.shape == b.shape
            # Of the largest answer: AttGAN's are grey levels of up to 255, logarithms of sizes are small.
            np.testing.assert_allclose(a, b, atol=1e-4 * max(1.0, float(np.abs(b).max())))


@pytest.mark.parametrize("name", SOURCES)
def test_a_graph_is_small_and_holds_no_weights(name: str) -> None:
    item = weights.entry(graph_name(name))
    assert len(weights.read_bytes(item)) < 120_000
    assert sum(array.size for array in arrays_of(name).values()) > 6000


def test_a_network_is_opened_once_and_anew_when_its_file_changes(own_weights: Path) -> None:
    first = open_network("rnet")
    assert open_network("rnet") is first
    (own_weights / "manifest.toml").write_text((own_weights / "manifest.toml").read_text() + "\n# changed\n")
    assert open_network("rnet") is not first


def test_detectors_that_search_side_by_side_share_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, each in ((4, 2), (1, 1)):
        monkeypatch.setattr(inference, "n_threads", lambda n=cores: n)
        taken = {name: _threads(name) for name in ("centerface", "onet", "pnet", "rnet", "realism")}
        assert taken == dict.fromkeys(taken, each) | {"realism": cores}


def _threads(name: str) -> int:
    """How many threads a network takes that is opened now."""
    network = networks._onnx(name)
    assert isinstance(network, OnnxNetwork)
    return int(network._session.get_session_options().intra_op_num_threads)


def test_without_onnxruntime_torch_answers(monkeypatch: pytest.MonkeyPatch, own_weights: Path) -> None:
    monkeypatch.setattr(networks, "has_onnxruntime", lambda: False)
    assert isinstance(open_network("rnet"), TorchNetwork)


def test_altered_weights_and_graphs_are_refused(own_weights: Path) -> None:
    for name in ("mtcnn.safetensors", "rnet.onnx"):
        path, before = own_weights / name, (own_weights / name).read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        with pytest.raises(WeightsHashError, match=rf"{name} has sha256 .*altered"):
            open_network("rnet")
        path.write_bytes(before)


def test_weights_of_another_architecture_are_refused(own_weights: Path) -> None:
    manifest = own_weights / "manifest.toml"
    onet, rnet = (weights.entry(graph_name(name)) for name in ("onet", "rnet"))
    manifest.write_text(manifest.read_text().replace(rnet.sha256, onet.sha256))
    shutil.copy(own_weights / onet.file, own_weights / rnet.file)
    with pytest.raises(WeightsFormatError, match=r"mtcnn\.safetensors holds another architecture than rnet\.onnx.*deid weights export"):
        open_network("rnet")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot use device 'abacus'"):
        open_network("rnet", "abacus")


def test_a_wrong_input_is_a_runtime_error() -> None:
    with pytest.raises(RuntimeError):
        open_network("rnet")(np.zeros((1, 9, 9, 3), np.float32))


def test_a_gpu_is_looked_for_only_where_there_is_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "_GPU_DRIVERS", ("/no/driver",))
    assert inference.best_device() == "cpu"


def test_mtcnn_has_the_library_s_weights() -> None:
    theirs = pytest.importorskip("facenet_pytorch").MTCNN()
    for name in Networks.__dataclass_fields__:
        wanted = [tensor.numpy() for tensor in getattr(theirs, name).state_dict().values()]
        own = arrays_of(name)
        ours = [own[key] for key in module_of(name).network.state_dict()]
        assert len(ours) == len(wanted)
        for a, b in zip(ours, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.fixture
def own_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of MTCNN's files that may be spoilt."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("manifest.toml", "mtcnn.safetensors", "rnet.onnx", "onet.onnx"):
        shutil.copy(weights.folder() / name, folder / name)
    monkeypatch.setattr(weights, "folder", lambda: folder)
    return folder
