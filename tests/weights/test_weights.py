"""A file that is not the one the manifest names is refused, with the way to mend it, and code in it never runs."""

import functools
import hashlib
import http.server
import os
import pickle
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file

from deid import weights
from deid.core.errors import DependencyError, WeightsFormatError, WeightsHashError, WeightsMissingError
from deid.models.attgan import Generator
from deid.models.attributes import AttributeClassifier
from deid.models.face_rcnn import FaceRcnn
from deid.weights import modules

LOADERS = {"attgan": modules.load_generator, "attributes": modules.load_attributes, "detector": modules.load_detector}
KINDS = {"attgan": Generator, "attributes": AttributeClassifier, "detector": FaceRcnn}


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped weights that may be spoilt."""
    folder = tmp_path / "weights"
    shutil.copytree(weights.folder(), folder)
    monkeypatch.setattr(weights, "folder", lambda: folder)
    monkeypatch.setenv("DEID_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.mark.parametrize("name", LOADERS)
def test_shipped_weights_load(name: str) -> None:
    network = LOADERS[name]()
    assert isinstance(network, KINDS[name])
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert all(torch.isfinite(p).all() for p in network.parameters())


def test_every_entry_says_where_it_comes_from() -> None:
    for item in weights.manifest().values():
        assert len(item.sha256) == 64
        assert {"input", "data", "licence", "command"} <= set(item.facts) or item.url
        assert weights.status(item) in {"ok", "not fetched"}


@pytest.mark.parametrize("place", [0, 5000, -1], ids=["first byte", "middle", "last byte"])
@pytest.mark.parametrize("name", LOADERS)
def test_one_altered_bit_is_refused(name: str, place: int, own_folder: Path) -> None:
    path = own_folder / weights.entry(name).file
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsHashError, match=rf"{path.name} has sha256 .*altered.*install deid-face again"):
        LOADERS[name]()
    assert weights.status(weights.entry(name)) == "altered"


def test_file_cut_short_is_refused(own_folder: Path) -> None:
    path = own_folder / "attgan.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsHashError, match="cut short"):
        modules.load_generator()


@pytest.mark.parametrize("name", LOADERS)
def test_missing_file_says_how_to_mend_it(name: str, own_folder: Path) -> None:
    (own_folder / weights.entry(name).file).unlink()
    with pytest.raises(WeightsMissingError, match=rf"{name}\.safetensors.*install deid-face again"):
        LOADERS[name]()
    assert weights.status(weights.entry(name)) == "missing"


def _manifest(folder: Path, text: str) -> None:
    (folder / "manifest.toml").write_text(text)


def _line(name: str, data: bytes, architecture: str, extra: str = "") -> str:
    digest = hashlib.sha256(data).hexdigest()
    return f'[{name}]\nfile = "{name}.safetensors"\nsha256 = "{digest}"\narchitecture = {architecture}\n{extra}\n'


ARCHITECTURES = {
    "another width": "{ width = 16, n_attributes = 13 }",
    "another number of attributes": "{ width = 32, n_attributes = 40 }",
    "an argument that does not exist": "{ width = 32, depth = 3 }",
}


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
def test_another_architecture_is_refused(architecture: str, own_folder: Path) -> None:
    data = (own_folder / "attgan.safetensors").read_bytes()
    _manifest(own_folder, _line("attgan", data, architecture))
    with pytest.raises(WeightsFormatError, match=r"attgan\.safetensors holds another architecture"):
        modules.load_generator()


def test_another_network_is_refused_with_the_way_to_mend_it(own_folder: Path) -> None:
    data = (own_folder / "realism.safetensors").read_bytes()
    (own_folder / "attgan.safetensors").write_bytes(data)
    _manifest(own_folder, _line("attgan", data, "{ width = 32 }"))
    with pytest.raises(WeightsFormatError, match=r"(?s)attgan\.safetensors holds another architecture.*install deid-face again"):
        modules.load_generator()


def test_right_hash_of_no_tensors_is_refused(own_folder: Path) -> None:
    (own_folder / "attgan.safetensors").write_bytes(b"not tensors at all")
    _manifest(own_folder, _line("attgan", b"not tensors at all", "{ width = 32 }"))
    with pytest.raises(WeightsFormatError, match=r"attgan\.safetensors is no safetensors file.*install deid-face again"):
        modules.load_generator()


MANIFESTS = {
    "no toml": b"[attgan",
    "no hash": b'[attgan]\nfile = "attgan.safetensors"\n',
    "no table": b"attgan = 3\n",
    "binary": b"\xff\xfe\x00\x01",
    "file is a number": b'[attgan]\nfile = 3\nsha256 = "0"\n',
    "hash is a number": b'[attgan]\nfile = "a"\nsha256 = 0\n',
    "architecture is a list": b'[attgan]\nfile = "a"\nsha256 = "0"\narchitecture = [1]\n',
    "address is a number": b'[attgan]\nfile = "a"\nsha256 = "0"\nurl = 1\n',
    "file elsewhere": b'[attgan]\nfile = "../../etc/passwd"\nsha256 = "0"\n',
    "brackets": b"a = " + b"[" * 5000,
}


@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_bad_manifest_is_named(content: bytes, own_folder: Path) -> None:
    (own_folder / "manifest.toml").write_bytes(content)
    with pytest.raises(WeightsFormatError, match=r"manifest\.toml"):
        modules.load_generator()


def test_missing_manifest_and_unknown_name(own_folder: Path) -> None:
    with pytest.raises(WeightsMissingError, match=r"unknown weights 'nope'; the manifest has age, .*attgan, .*portraits"):
        weights.read("nope")
    (own_folder / "manifest.toml").unlink()
    with pytest.raises(WeightsMissingError, match=r"manifest\.toml.*install deid-face again"):
        weights.read("attgan")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A folder behind an address on this machine."""
    folder = tmp_path_factory.mktemp("server")

    class _Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/cut":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"only this")
                return
            super().do_GET()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", folder
        httpd.shutdown()
        thread.join()


TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}


def _offer(data: bytes, name: str, own_folder: Path, server: tuple[str, Path], sha256: str | None = None) -> None:
    """Put data on the server and an entry `far` for it in the manifest."""
    address, folder = server
    (folder / name).write_bytes(data)
    digest = sha256 or hashlib.sha256(data).hexdigest()
    _manifest(own_folder, f'[far]\nfile = "far.safetensors"\nsha256 = "{digest}"\nurl = "{address}/{name}"\n')


def _cached(own_folder: Path) -> list[str]:
    cache = own_folder.parent / "cache"
    return sorted(p.name for p in cache.rglob("*")) if cache.exists() else []


def _torch_file(tmp_path: Path, content: object) -> bytes:
    torch.save(content, tmp_path / "file.pt")
    return (tmp_path / "file.pt").read_bytes()


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_fetched_file_is_kept_as_safetensors(kind: str, own_folder: Path, server: tuple[str, Path], tmp_path: Path) -> None:
    data = save(TENSORS) if kind == "safetensors" else _torch_file(tmp_path, TENSORS | {"epoch": 3})
    _offer(data, f"good.{kind}", own_folder, server)
    assert weights.status(weights.entry("far")) == "not fetched"
    path = weights.fetch("far")
    assert _cached(own_folder) == ["far.safetensors", "far.sha256"]
    for tensors in (load_file(path), weights.read("far")[0]):
        assert set(tensors) == set(TENSORS)
        assert all(np.array_equal(tensors[k], TENSORS[k]) for k in TENSORS)
    assert weights.status(weights.entry("far")) == "ok"


def test_fetch_reads_a_file_address(own_folder: Path, tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "near.safetensors")
    digest = hashlib.sha256((tmp_path / "near.safetensors").read_bytes()).hexdigest()
    url = (tmp_path / "near.safetensors").as_uri()
    _manifest(own_folder, f'[far]\nfile = "far.safetensors"\nsha256 = "{digest}"\nurl = "{url}"\n')
    assert set(load_file(weights.fetch("far"))) == set(TENSORS)


def test_wrong_hash_is_refused_and_nothing_is_kept(own_folder: Path, server: tuple[str, Path]) -> None:
    _offer(save(TENSORS), "other.safetensors", own_folder, server, sha256="0" * 64)
    with pytest.raises(WeightsHashError, match=r"expected 000000000000.*not kept"):
        weights.fetch("far")
    assert _cached(own_folder) == []


def test_fetched_file_that_is_altered_later_is_refused(own_folder: Path, server: tuple[str, Path]) -> None:
    _offer(save(TENSORS), "later.safetensors", own_folder, server)
    path = weights.fetch("far")
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(WeightsHashError, match="deid weights fetch far"):
        weights.read("far")


def test_file_that_was_not_fetched_says_how(own_folder: Path, server: tuple[str, Path]) -> None:
    _offer(save(TENSORS), "unfetched.safetensors", own_folder, server)
    with pytest.raises(WeightsMissingError, match="deid weights fetch far"):
        weights.read("far")


class _Bomb:
    """What a harmful checkpoint does when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", ["torch archive", "plain pickle"])
def test_code_in_a_pickle_never_runs(kind: str, own_folder: Path, server: tuple[str, Path], tmp_path: Path) -> None:
    """Not even where the hash is right."""
    content = {"weight": torch.ones(2), "bomb": _Bomb(tmp_path / "boom")}
    data = _torch_file(tmp_path, content) if kind == "torch archive" else pickle.dumps(content)
    _offer(data, "bomb.pt", own_folder, server)
    with pytest.raises(WeightsFormatError, match="something else than tensors"):
        weights.fetch("far")
    assert not (tmp_path / "boom").exists()
    assert _cached(own_folder) == []


NO_TENSORS = {"text": ("x.pt", b"hello"), "no safetensors": ("x.safetensors", b"hello"), "empty": ("e.pt", b"")}


@pytest.mark.parametrize(("name", "data"), NO_TENSORS.values(), ids=NO_TENSORS.keys())
def test_right_hash_of_something_else_is_refused(name: str, data: bytes, own_folder: Path, server: tuple[str, Path]) -> None:
    _offer(data, name, own_folder, server)
    with pytest.raises(WeightsFormatError, match="something else than tensors"):
        weights.fetch("far")
    assert _cached(own_folder) == []


UNREACHABLE = {"not there": "/missing.pt", "cut off": "/cut"}


@pytest.mark.parametrize("path", UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_address_that_fails_is_named(path: str, own_folder: Path, server: tuple[str, Path]) -> None:
    _manifest(own_folder, f'[far]\nfile = "far.safetensors"\nsha256 = "{"0" * 64}"\nurl = "{server[0]}{path}"\n')
    with pytest.raises(WeightsMissingError, match=f"cannot fetch {server[0]}{path}"):
        weights.fetch("far")
    assert _cached(own_folder) == []


def test_shipped_weights_are_not_fetched(own_folder: Path) -> None:
    with pytest.raises(WeightsMissingError, match="shipped with the package"):
        weights.fetch("attgan")


def test_missing_dlib_model_names_the_package() -> None:
    assert weights.dlib_model_file("dlib_face_recognition_resnet_model_v1.dat").is_file()
    with pytest.raises(DependencyError, match="pip install face_recognition_models"):
        weights.dlib_model_file("no_such_model.dat")


@pytest.fixture
def altered_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the right name, with a file that is none of its own."""
    path = tmp_path / "face_recognition_models" / "models" / "mmod_human_face_detector.dat"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not the weights")
    (tmp_path / "face_recognition_models" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "face_recognition_models", raising=False)
    return tmp_path


@pytest.mark.usefixtures("altered_package")
def test_altered_weights_of_a_package_are_refused_before_they_are_read() -> None:
    with pytest.raises(WeightsHashError, match=r"mmod_human_face_detector\.dat of face_recognition_models .*4cb19393e2fb.*reinstall"):
        weights.dlib_model_file("mmod_human_face_detector.dat")
    with pytest.raises(DependencyError, match="pip install face_recognition_models"):
        weights.dlib_model_file("shape_predictor_68_face_landmarks.dat")


def test_a_file_of_a_package_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, hashed, digest = weights.dlib_model_file(weights.DLIB_RESNET), list[str](), hashlib.file_digest
    monkeypatch.setattr(weights, "_PACKAGE_FILES", {"own.dat": (hashlib.sha256(path.read_bytes()).hexdigest(),)})
    own = tmp_path / "own.dat"
    own.write_bytes(path.read_bytes())
    monkeypatch.setattr(weights.hashlib, "file_digest", lambda file, kind: hashed.append(kind) or digest(file, kind))
    for changed_ns in (1, 1, 2):
        weights._check_package_file(own, changed_ns)
    assert len(hashed) == 2
