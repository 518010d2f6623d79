"""Training of the readers of origin and smiles: they learn, and say on whom they were tried."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.types import Image
from deid.recognition.linear import ORIGINS, OriginReader, SmileReader
from deid.training import data, origin, smile, utkface
from deid.training.data import FaceData
from deid.training.logistic import LogisticOptions
from deid.training.utkface import UtkFaces


def _faces(n: int, origins: range) -> UtkFaces:
    """Embeddings whose first numbers tell the origin."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, len(origins), n)
    rows = rng.normal(0, 0.05, (n, 128)).astype(np.float32)
    rows[np.arange(n), kinds] += 0.5
    return UtkFaces(rows, np.zeros((n, 1024), np.float32), np.full(n, 30), np.zeros(n, bool), kinds)


def test_it_learns_the_origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = _faces(251, range(len(ORIGINS) + 1))
    monkeypatch.setattr(utkface, "load", lambda data, progress: faces)
    arrays = origin.train(tmp_path, tmp_path / "out", LogisticOptions())
    assert {name: a.shape for name, a in arrays.items()} == OriginReader.shapes
    known = faces.where(faces.origins < len(ORIGINS))
    for second in (None, known.second):
        assert (OriginReader(arrays).origins(known.rows, second).argmax(axis=1) == known.origins).all()
    right = dict.fromkeys(ORIGINS, 1.0)
    assert json.loads((tmp_path / "out" / "origin.json").read_text()) == {"both": right, "dlib alone": right}


def test_a_missing_origin_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utkface, "load", lambda data, progress: _faces(40, range(3)))
    with pytest.raises(DataError, match="White, Black, Asian, Indian"):
        origin.train(tmp_path, tmp_path / "out", LogisticOptions())


def test_labels_are_read_from_names(tmp_path: Path, hopper: Image) -> None:
    folder = tmp_path / "utkface"
    folder.mkdir()
    for name in ("7_1_2_2017.jpg", "55_0_0_2017.jpg", "61_1_2017.jpg", "no_age.jpg", "9_1_x_2017.jpg"):
        PillowImage.fromarray(hopper[:300, :300]).save(folder / name)
    assert sorted(labels for labels, _ in utkface.labelled(tmp_path)) == [(7, 1, 2), (55, 0, 0)]


def _shapes(smiles: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    points = np.tile(rng.uniform(30, 100, (1, 68, 2)), (len(smiles), 1, 1)) + rng.normal(0, 0.5, (len(smiles), 68, 2))
    points[smiles, 48] += (-4, -4)
    points[smiles, 54] += (4, -4)
    return points


def test_it_learns_to_see_smiles(faces: FaceData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smiling = {str(name): i % 3 == 0 for i, name in enumerate(faces.names[:-2])}
    monkeypatch.setattr(smile, "_landmarks", lambda some, progress: _shapes(smile._labels(some, smiling)))
    arrays = smile.train(faces, smiling, tmp_path, smile.SmileOptions())
    scores = json.loads((tmp_path / "smile.json").read_text())
    assert scores == {"validation": {"faces": 10, "right": 1.0}}
    said = SmileReader(arrays).smile(_shapes(np.array([True, False])))
    assert said[0] > 0.5 > said[1]


def test_grave_faces_alone_are_no_lesson(faces: FaceData, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="smile and others"):
        smile.train(faces, dict.fromkeys(map(str, faces.names), False), tmp_path, smile.SmileOptions())


def test_smiles_are_read_from_the_table(tmp_path: Path) -> None:
    (tmp_path / "celeba-attributes.csv").write_text("image,Smiling,Young\n1.jpg,1,0\n2.jpg,0,1\n")
    assert data.smiling(tmp_path) == {"1.jpg": True, "2.jpg": False}
