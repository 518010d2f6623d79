"""What is published stays as it is: names, commands, options, keys of reports, seeds, and the pictures that the plain filters make.

The stored values are in `tests/golden`. They are compared both ways: nothing may go or change, and what is new is stored too. After an
intended change run `python tests/test_golden.py`, which stores the values of today, look at the difference, and name it in the changelog.
"""

import dataclasses
import inspect
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image as PillowImage

import deid
from deid import transforms
from deid.__main__ import app
from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.models import Models
from deid.batch.results import FileResult
from deid.check.limits import Limits
from deid.check.report import Counts, FileFindings, Report
from deid.cli import run as cli_run
from deid.core.attributes import ATTRIBUTES
from deid.core.options import METHODS, QUALITIES, Options
from deid.core.seeds import seed_of
from deid.core.types import Crops, Detection, Distance, Embeddings, FaceResult, FrameResult, Image, ImageResult, Verification
from deid.dataset.rows import SCHEMA
from deid.editing.sampler import sample_sets
from deid.recognition.face_reader import FaceReader
from deid.verification.gate import Gate
from deid.video import pipeline
from deid.video.results import TrackSummary, VideoResult

GOLDEN = Path(__file__).parent / "golden"
STORE = "; if that is intended, run `python tests/test_golden.py`, look at the difference and name it in CHANGELOG.md"
FILTERS = ("blur", "pixelate", "solid")
#: OpenCV rounds its filters a little differently on other processors.
ROUNDING = 1


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Parameters with their defaults, as a caller writes them."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters if p.name != "self"]


def _public(owner: object) -> dict[str, Any]:
    """Public functions of a module or a class, with their parameters."""
    members = inspect.getmembers(owner, lambda m: inspect.isfunction(m) or inspect.isclass(m))
    own = owner.__name__ if inspect.ismodule(owner) else getattr(owner, "__module__", "")
    return {name: _parameters(m) for name, m in members if not name.startswith("_") and m.__module__ == own}


def names() -> dict[str, Any]:
    """Public names of the package, with the parameters of what is called."""
    return {
        "deid": dict.fromkeys(deid.__all__, ""),
        "deid.anonymize": _parameters(deid.anonymize),
        "deid.Anonymizer": {"__init__": _parameters(Anonymizer.__init__), **_public(Anonymizer)},
        "deid.transforms": _public(transforms),
        "deid.video.anonymize_frames": _parameters(pipeline.anonymize_frames),
        "deid.video.anonymize_video": _parameters(pipeline.anonymize_video),
    }


def commands() -> dict[str, Any]:
    """Commands, with their arguments and the names of their options."""
    found: dict[str, Any] = {}

    def walk(command: Any, path: str) -> None:
        found[path] = sorted(name for p in command.params for name in (*p.opts, *p.secondary_opts))
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{path} {name}")

    walk(typer.main.get_command(app), "deid")
    return found


def options() -> dict[str, Any]:
    """Options with their defaults, and the values that some of them take."""
    defaults = {field.name: repr(getattr(Options(), field.name)) for field in dataclasses.fields(Options)}
    return {"defaults": defaults, "methods": list(METHODS), "qualities": {name: repr(budget) for name, budget in QUALITIES.items()}}


def _results() -> tuple[list[FileResult], Report]:
    check = Verification((Distance("dlib_resnet", 0.6, 0.4),), True, 0.9, 0.5, 0.5, 0.7)
    detection = Detection(np.array([1.0, 2.0, 3.0, 4.0]), 0.9, np.zeros((5, 2)), "mtcnn")
    face = FaceResult(detection, "attgan", "passed", check, dict.fromkeys(ATTRIBUTES, 0.0))
    photo = FileResult(Path("a"), Path("b"), frames=(FrameResult((4, 4), (face,), 1),))
    video = FileResult(Path("c"), Path("d"), video=VideoResult(1, 1, (TrackSummary(0, 0, 0, 0),), 1))
    findings = FileFindings("a", False, Counts(1, 0, 0, 1, 0, 1))
    return [photo, video], Report(before="a", after="b", limits=Limits(), detectors=(), recognisers={}, files=(findings,))


def _keys(value: Any) -> Any:
    """Keys of plain values, however deep; of a list those of its first member."""
    if isinstance(value, dict):
        return {key: _keys(inner) for key, inner in value.items()}
    return _keys(value[0]) if isinstance(value, list) and value else ""


def keys() -> dict[str, Any]:
    """Keys of the reports, and columns of the ledger of a data set."""
    results, checked = _results()
    with sqlite3.connect(":memory:") as ledger:
        ledger.executescript(SCHEMA)
        tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {table: [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")] for table in tables}
    return {
        "report of deid run": _keys(cli_run._report(results, Options(), debug=True)),
        "of a photo": _keys(results[0].to_dict(debug=True)),
        "of a video": _keys(results[1].to_dict()),
        "report of deid check": _keys(checked.to_dict()),
        "ledger": columns,
    }


def seeds() -> dict[str, Any]:
    """What is drawn from a seed."""
    sets = sample_sets(True, 2, np.random.default_rng(7), 1.0)
    return {
        "of files": [str(seed_of(7, i)) for i in range(3)],
        "attribute sets": [[round(float(v), 5) for v in row] for row in sets],
        "of faces": {method: [str(face.seed) for face in filtered(method).faces] for method in FILTERS},
    }


class _Readers:
    """A recogniser for whom every other pixel is another person, and readers of nothing."""

    name, threshold, embedder = "fake", 0.0, "none"

    def embed(self, crops: Crops) -> Embeddings:
        rows = crops.reshape(len(crops), -1).astype(np.float32)
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)

    def probabilities(self, crops: Crops) -> np.ndarray:
        return np.full((len(crops), len(ATTRIBUTES)), 0.5, np.float32)

    def score(self, crops: Crops) -> np.ndarray:
        return np.ones(len(crops), np.float32)

    def male(self, embeddings: Embeddings) -> np.ndarray:
        return np.full(len(embeddings), 0.5)


class _Faces:
    """A detector of two faces, of which one reaches over the border; nothing is detected a second time."""

    name = "fake"

    def __init__(self) -> None:
        self._left = [Detection(np.array(box, np.float64)) for box in ([20, 24, 52, 64], [96, 60, 136, 108])]

    def detect(self, image: Image) -> list[Detection]:
        left, self._left = self._left, []
        return left


def _picture() -> Image:
    """(96, 128, 3): smooth colours with a fine pattern."""
    y, x = np.mgrid[:96, :128]
    return np.stack([x * 2, y * 2 + (x // 3 % 2) * 40, (x * y) % 256], axis=-1).clip(0, 255).astype(np.uint8)


def filtered(method: str) -> ImageResult:
    """The picture with a filter over both faces, made without any network."""
    chosen, readers, detector = Options(method=method, seed=7), _Readers(), _Faces()
    reader = FaceReader([readers], readers, readers, readers, for_new_faces=False)
    gate = Gate(reader, detector, chosen)
    return Anonymizer(models=Models(chosen, detector=detector, embedders=[readers], reader=reader, gate=gate)).process(_picture())


SURFACE = {"names": names, "commands": commands, "options": options, "keys": keys, "seeds": seeds}


def _differences(stored: Any, now: Any, path: str = "") -> list[str]:
    """What is stored and is no more, is new and not stored, or is another value."""
    if isinstance(stored, dict) and isinstance(now, dict):
        apart = [f"{path}/{key} is gone" for key in stored if key not in now] + [f"{path}/{key} is new" for key in now if key not in stored]
        return apart + [line for key in stored if key in now for line in _differences(stored[key], now[key], f"{path}/{key}")]
    if isinstance(stored, list) and isinstance(now, list) and all(isinstance(v, str) for v in stored + now):
        gone = [f"{path}: {value!r} is gone, there are {now}" for value in stored if value not in now]
        return gone + [f"{path}: {value!r} is new" for value in now if value not in stored]
    return [] if stored == now else [f"{path}: {stored!r} became {now!r}"]


@pytest.mark.parametrize("part", SURFACE)
def test_what_is_published_is_what_is_stored(part: str) -> None:
    stored = json.loads((GOLDEN / f"{part}.json").read_text())
    apart = _differences(stored, json.loads(json.dumps(SURFACE[part]())))
    assert not apart, "\n".join(apart) + STORE


@pytest.mark.parametrize("method", FILTERS)
def test_filters_give_the_stored_pictures(method: str) -> None:
    result, source = filtered(method).image, _picture()
    stored = np.asarray(PillowImage.open(GOLDEN / f"{method}.png"))
    changed, expected = ((picture != source).any(axis=2) for picture in (result, stored))
    apart = np.abs(result.astype(int) - stored.astype(int)).max(axis=2)
    assert apart.max() <= ROUNDING, f"{method}: {(apart > ROUNDING).sum()} pixels are off by up to {apart.max()}{STORE}"
    assert (changed != expected).sum() <= 0.01 * expected.sum(), f"{method} covers another part of the picture{STORE}"


@pytest.mark.parametrize(
    ("stored", "now", "lines"),
    [
        ({"a": "1"}, {"a": "1", "b": "2"}, 1),
        ({"a": "1"}, {"b": "1"}, 2),
        ({"a": {"x": "1"}}, {"a": {"x": "2"}}, 1),
        (["--out"], ["--out", "--new"], 1),
        (["--out", "--new"], ["--new", "--out"], 0),
        (["--out", "--old"], ["--out"], 1),
        ([[1.0]], [[2.0]], 1),
    ],
)
def test_what_counts_as_a_difference(stored: Any, now: Any, lines: int) -> None:
    assert len(_differences(stored, now)) == lines


def store() -> None:
    """Store the values of today."""
    GOLDEN.mkdir(exist_ok=True)
    for part, values in SURFACE.items():
        (GOLDEN / f"{part}.json").write_text(json.dumps(values(), indent=1) + "\n")
    for method in FILTERS:
        PillowImage.fromarray(filtered(method).image).save(GOLDEN / f"{method}.png")


if __name__ == "__main__":
    sys.exit(store())
