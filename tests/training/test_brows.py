"""Training of the reader of brows: it learns from other photos of a person, and says how well."""

import json
from pathlib import Path

import numpy as np
import pytest

from deid.core.errors import DataError
from deid.recognition.linear import BrowReader
from deid.training import brows
from deid.training.data import FaceData, split_of


def _of(prefix: str, split: str, n: int) -> list[str]:
    return [f"{prefix}/p{i}" for i in range(4000) if split_of(f"{prefix}/p{i}") == split][:n]


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> FaceData:
    """Three photos of each of 60 people; a photo shows their brows with an error, and the embedding tells who it is."""
    rng = np.random.default_rng(0)
    identities = np.repeat([*_of("lfw", "train", 40), *_of("lfw", "validation", 20)], 3)
    true = np.repeat(rng.uniform(0.1, 0.4, 60), 3)
    seen = true + rng.normal(0, 0.15, len(true))
    # The number of a photo is its first pixel.
    crops = np.zeros((len(true), 128, 128, 3), np.uint8)
    crops[:, 0, 0, 0] = np.arange(len(true))
    monkeypatch.setattr(brows.FacePoints, "points", lambda self, crop: np.zeros((68, 2)))
    monkeypatch.setattr(brows, "contrast", lambda crop, points: seen[crop[0, 0, 0]])
    rows = np.zeros((len(true), 128), np.float32)
    rows[:, 3] = true - true.mean()
    monkeypatch.setattr(brows.DlibResNetEmbedder, "embed", lambda self, crops: rows[crops[:, 0, 0, 0]])
    labels = np.zeros((len(true), 13), np.int8)
    return FaceData(crops, np.array([f"{i}.jpg" for i in range(len(true))]), identities, labels, np.full(len(true), "lfw"))


def test_it_tells_more_of_another_photo_than_one_photo_does(people: FaceData, tmp_path: Path) -> None:
    arrays = brows.train(people, tmp_path, brows.BrowOptions(penalty=0.01))
    assert {name: a.shape for name, a in arrays.items()} == BrowReader.shapes
    scores = json.loads((tmp_path / "brows.json").read_text())
    assert scores["reader"]["correlation"] > scores["one photo"]["correlation"] + 0.1
    assert scores["reader"]["off"] < scores["one photo"]["off"]
    # Who it is counts more than what a single photo shows.
    assert abs(arrays["weight"][3]) > 2 * abs(arrays["weight"][128])


def test_one_photo_of_each_is_no_lesson(people: FaceData, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="several photos"):
        brows.train(people.where(np.arange(0, len(people), 3)), tmp_path, brows.BrowOptions())
