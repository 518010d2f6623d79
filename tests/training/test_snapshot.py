"""Training of the reader of snapshots: it learns from what the engine makes, and says how well."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from deid.core.errors import DataError
from deid.core.types import Crops, Detection, Image
from deid.recognition.linear import SnapshotReader
from deid.training import snapshot
from deid.training.data import split_of

_POINTS = np.array([[108, 115], [142, 115], [125, 135], [112, 150], [138, 150]], float)
_FACE = Detection(np.array([90.0, 80.0, 160.0, 170.0]), 0.99, _POINTS, "mtcnn")


class _Engine:
    """Makes every face brighter, but covers those of dark photos."""

    detector: Any = SimpleNamespace(detect=lambda image: [_FACE])

    def process(self, image: Image, detections: Any = None, seed: int | None = None) -> Any:
        method = "attgan" if image.mean() > 20 else "blur"
        return SimpleNamespace(image=np.clip(image + 60.0, 0, 255).astype(np.uint8), faces=[SimpleNamespace(method=method)])


class _Embedder:
    """Tells how bright a crop is."""

    def embed(self, crops: Crops) -> Any:
        rows = np.zeros((len(crops), 1024), np.float32)
        rows[:, 7] = crops.mean(axis=(1, 2, 3)) / 255
        return rows


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "build_embedder", lambda name, device: _Embedder())


def _photos(split: str, n: int, light: int = 80) -> list[tuple[str, bytes]]:
    names = [name for i in range(4000) if split_of(name := f"lfw/p{i}") == split][:n]
    rng = np.random.default_rng(0)
    pictures = [np.full((250, 250, 3), light + rng.integers(-9, 9) * (light > 20), np.uint8) for _ in names]
    return [(name, cv2.imencode(".png", p)[1].tobytes()) for name, p in zip(names, pictures, strict=True)]


def test_new_faces_are_told_from_photos(tmp_path: Path) -> None:
    arrays = snapshot.train(
        [*_photos("validation", 10), *_photos("train", 30)], _Engine(), tmp_path, snapshot.SnapshotOptions(freedom=100.0)
    )
    assert {name: a.shape for name, a in arrays.items()} == SnapshotReader.shapes
    assert int(np.abs(arrays["weight"]).argmax()) == 7
    assert arrays["weight"][7] < 0
    assert json.loads((tmp_path / "snapshot.json").read_text()) == {"AUC": 1.0, "people": 10}


def test_covers_are_no_lesson(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="whose face is replaced"):
        snapshot.train(_photos("train", 5, light=5), _Engine(), tmp_path, snapshot.SnapshotOptions())
