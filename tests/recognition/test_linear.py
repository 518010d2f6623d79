"""The readers of gender and origin: their formulas, their files, and whom they read right."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from deid import weights
from deid.core.errors import WeightsFormatError
from deid.core.types import Detection, Image
from deid.imaging.alignment import align
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import ORIGINS, GenderReader, OriginReader
from deid.training.export import write


def test_the_formula() -> None:
    weight = np.zeros(128, np.float32)
    weight[2] = 5.0
    embedding = np.zeros((2, 128), np.float32)
    embedding[:, 2] = 0.4, -1
    said = GenderReader({"weight": weight, "bias": np.array([-1.0], np.float32)}).male(embedding)
    np.testing.assert_allclose(said, [1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(6.0))], rtol=1e-6)


def test_a_woman(astronaut: Image, woman: Detection, embedder: DlibResNetEmbedder) -> None:
    assert GenderReader().male(embedder.embed(align(astronaut, woman).crop[None])) < 0.1


def test_no_faces() -> None:
    assert GenderReader().male(np.zeros((0, 128), np.float32)).shape == (0,)


@pytest.mark.parametrize(
    "arrays", [{"weight": np.zeros(128, np.float32)}, {"weight": np.zeros(127, np.float32), "bias": np.zeros(1, np.float32)}]
)
def test_a_file_of_something_else(arrays: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(save(arrays), "gender", tmp_path, {}, {})
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    with pytest.raises(WeightsFormatError, match=r"gender\.safetensors"):
        GenderReader().male(np.zeros((1, 128), np.float32))


def test_origins_are_a_softmax() -> None:
    rng = np.random.default_rng(0)
    weight, rows = rng.standard_normal((128, len(ORIGINS))).astype(np.float32), rng.standard_normal((5, 128)).astype(np.float32)
    said = OriginReader({"weight": weight, "bias": np.array([0, 1, 0, 0], np.float32)}).origins(rows)
    wanted = np.exp(rows @ weight + (0, 1, 0, 0))
    np.testing.assert_allclose(said, wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-4)
    # Large numbers are no danger.
    assert np.isfinite(OriginReader({"weight": 1e4 * weight, "bias": np.zeros(4, np.float32)}).origins(rows)).all()
    assert OriginReader().origins(np.zeros((0, 128), np.float32)).shape == (0, len(ORIGINS))


def test_origin_of_a_woman(astronaut: Image, woman: Detection, embedder: DlibResNetEmbedder) -> None:
    said = OriginReader().origins(embedder.embed(align(astronaut, woman).crop[None]))[0]
    assert ORIGINS[said.argmax()] == "White"
    assert said.sum() == pytest.approx(1)
