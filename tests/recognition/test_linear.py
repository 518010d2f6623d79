"""The readers of gender, age and origin: their formulas, their files, and whom they read right."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from deid import weights
from deid.core.errors import WeightsFormatError
from deid.core.types import Detection, Image
from deid.imaging.alignment import align
from deid.recognition import build_embedder
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import ORIGINS, AgeReader, BrowReader, GenderReader, OriginReader, SnapshotReader
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


def _ages() -> AgeReader:
    """By dlib's first number an adult of 30 years, by the other recogniser's a child of 8."""
    arrays = {name: np.zeros(shape, np.float32) for name, shape in AgeReader.shapes.items()}
    arrays["weight"][0], arrays["years.weight"][0] = -5, 30
    arrays["both.weight"][128], arrays["both.years.weight"][128] = 5, 8
    return AgeReader(arrays)


def test_ages_are_read_from_both_embeddings() -> None:
    first, second = np.eye(2, 128, dtype=np.float32), np.eye(2, AgeReader.second_width, dtype=np.float32)
    np.testing.assert_allclose(_ages().years(first, second), [8, 0])
    np.testing.assert_allclose(_ages().child(first, second), [1 / (1 + np.exp(-5.0)), 0.5])


@pytest.mark.parametrize("second", [None, np.ones((2, 0), np.float32), np.ones((2, 512), np.float32)], ids=["none", "empty", "another's"])
def test_ages_are_read_from_one_embedding_where_the_other_is_unknown(second: np.ndarray | None) -> None:
    first = np.eye(2, 128, dtype=np.float32)
    np.testing.assert_allclose(_ages().years(first, second), [30, 0])
    np.testing.assert_allclose(_ages().child(first, second), [1 / (1 + np.exp(5.0)), 0.5])


def test_ages_of_no_faces() -> None:
    assert AgeReader().years(np.zeros((0, 128), np.float32), np.zeros((0, AgeReader.second_width), np.float32)).shape == (0,)


def test_age_of_a_woman(astronaut: Image, woman: Detection, embedder: DlibResNetEmbedder) -> None:
    """She is 35 in the photo."""
    crop = align(astronaut, woman).crop[None]
    first, second = embedder.embed(crop), build_embedder(AgeReader.second_embedder, "cpu").embed(crop)
    for reading in ((first,), (first, second)):
        assert 20 < AgeReader().years(*reading)[0] < 50
        assert AgeReader().child(*reading)[0] < 0.2


def test_snapshots_are_told_from_new_faces_by_one_recogniser() -> None:
    arrays = {"weight": np.eye(1, 1024, dtype=np.float32)[0], "bias": np.array([0.5], np.float32)}
    rows = np.zeros((2, 1024), np.float32)
    rows[1, 0] = -2
    np.testing.assert_allclose(SnapshotReader(arrays).snapshot(rows), [0.5, -1.5])
    np.testing.assert_array_equal(SnapshotReader(arrays).snapshot(rows[:, :512]), [0, 0])
    assert np.abs(SnapshotReader().arrays["weight"]).max() > 0


def test_brows_are_read_from_the_photo_and_from_who_it_is() -> None:
    arrays = {"weight": np.zeros(129, np.float32), "bias": np.array([0.1], np.float32)}
    arrays["weight"][[5, 128]] = 1.0, 0.5
    rows = np.zeros((2, 128), np.float32)
    rows[1, 5] = 0.2
    np.testing.assert_allclose(BrowReader(arrays).darkness(np.array([0.2, 0.4]), rows), [0.2, 0.5], rtol=1e-6)
    assert 0.05 < BrowReader().darkness(np.array([0.2]), np.zeros((1, 128), np.float32))[0] < 0.5


def test_origins_are_read_from_both_embeddings() -> None:
    arrays = {name: np.zeros(shape, np.float32) for name, shape in OriginReader.shapes.items()}
    arrays["weight"][0, 1], arrays["both.weight"][128, 2] = 9, 9
    reader, first = OriginReader(arrays), np.eye(1, 128, dtype=np.float32)
    assert reader.origins(first)[0].argmax() == 1
    assert reader.origins(first, np.eye(1, OriginReader.second_width, dtype=np.float32))[0].argmax() == 2


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
