"""What a command imports: whoever wants a blur waits for no torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from deid.core.types import Image

#: Packages that take long to import or much memory, and that a filter over a photo has no use for.
HEAVY = {"av", "dlib", "facenet_pytorch", "matplotlib", "onnx", "pandas", "scipy", "skimage", "sklearn", "torch", "torchvision"}
_PROGRAM = """
import json, sys
from deid.__main__ import app
try:
    app(sys.argv[2:])
except SystemExit as end:
    code = end.code or 0
open(sys.argv[1], "w").write(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def _imported(tmp_path: Path, *args: str) -> set[str]:
    """Packages that `deid` with these arguments imports; it must succeed."""
    told = tmp_path / "told.json"
    subprocess.run([sys.executable, "-c", _PROGRAM, str(told), *args], check=True, timeout=120, capture_output=True)
    code, names = json.loads(told.read_text())
    assert code == 0
    return set(names)


@pytest.fixture
def photo(tmp_path: Path, astronaut: Image) -> Path:
    path = tmp_path / "photo.png"
    PillowImage.fromarray(astronaut).save(path)
    return path


@pytest.mark.parametrize("method", ["blur", "pixelate", "solid"])
def test_a_filter_imports_nothing_heavy(method: str, photo: Path, tmp_path: Path) -> None:
    imported = _imported(tmp_path, "run", str(photo), "-o", str(tmp_path / "out.png"), "--method", method)
    assert not imported & HEAVY
    assert "onnxruntime" in imported


def test_a_new_face_imports_nothing_heavy_either(photo: Path, tmp_path: Path) -> None:
    assert not _imported(tmp_path, "run", str(photo), "-o", str(tmp_path / "out.png")) & HEAVY


def test_help_and_version_import_no_network(tmp_path: Path) -> None:
    for args in (["--version"], ["run", "--help"]):
        assert not _imported(tmp_path, *args) & (HEAVY | {"cv2", "onnxruntime", "numpy"})
