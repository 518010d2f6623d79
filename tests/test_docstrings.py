"""The examples in docstrings run, and give what they say."""

import ast
import doctest
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

import deid
from deid.core.types import Detection, Image

ROOT = Path(__file__).parents[1]
#: Examples that need more than a picture and a video, and what it is.
NEEDS = {"deid.serve.desk.Desk": "a running page", "deid.serve.photos.PhotoWork": "an upload to a running page"}
#: What modules import their examples' names for, where they do not need them themselves.
MORE = {
    "deid.video.find": {"deid.detection.refine": "FaceRefiner", "deid.video.looks": "build_search"},
    "deid.video.search": {"deid.detection.mtcnn": "MtcnnDetector"},
    "deid.video.turn": {"deid.core.options": "Options"},
    "deid.transforms": {"torchvision.transforms": "v2"},
}


def _with_examples() -> Iterator[str]:
    """Names of the modules whose docstrings have examples; none is imported."""
    for package in ("deid", "evaluation"):
        for path in sorted((ROOT / package).rglob("*.py")):
            nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)]
            if any(">>>" in (ast.get_docstring(node) or "") for node in nodes):
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@dataclass(frozen=True)
class _Frame:
    image: Image

    def rgb(self) -> Image:
        return self.image


@pytest.fixture
def workplace(astronaut: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a photo, one as phones write it, and a video of three frames."""
    monkeypatch.chdir(tmp_path)
    photo = PillowImage.fromarray(astronaut)
    photo.save("party.jpg")
    exif = PillowImage.Exif()
    exif[0x010F], exif[0x0110], exif[0x8825] = "Maker", "Model", {1: "N", 2: (1.0, 2.0, 3.0)}
    photo.save("from-a-phone.jpg", exif=exif)
    av = pytest.importorskip("av", reason="examples of videos need PyAV: pip install 'deid-face[video]'")
    with av.open("video.mp4", "w") as video:
        stream = video.add_stream("libx264", rate=Fraction(10))
        stream.height, stream.width, stream.pix_fmt = *astronaut.shape[:2], "yuv420p"
        for packet in [p for _ in range(3) for p in stream.encode(av.VideoFrame.from_ndarray(astronaut, "rgb24"))] + stream.encode(None):
            video.mux(packet)


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("name", list(_with_examples()))
def test_the_examples_of_a_module_run(name: str, astronaut: Image, woman: Detection) -> None:
    module = importlib.import_module(name)
    given = {"deid": deid, "np": np, "image": astronaut, "detection": woman, "frames": [_Frame(astronaut)] * 3}
    more = {what: getattr(importlib.import_module(where), what) for where, what in MORE.get(name, {}).items()}
    globs = given | {"picture": PillowImage.fromarray(astronaut)} | more | vars(module)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, globs=globs):
        if test.examples and test.name not in NEEDS:
            said: list[str] = []
            runner.run(test, out=said.append)
            assert not said, "".join(said)


def test_what_is_not_run_is_there() -> None:
    for name in NEEDS:
        module, _, what = name.rpartition(".")
        assert ">>>" in (getattr(importlib.import_module(module), what).__doc__ or "")
