"""Glasses are drawn where eyes are, and a network learns from them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from deid.core.errors import DataError
from deid.core.types import AlignedFace
from deid.training import glasses, masks
from deid.training.data import FaceData, split_of
from deid.training.glasses import Faces, GlassesOptions
from deid.training.spectacles import put_on


@pytest.fixture(scope="module")
def faces(woman_face: AlignedFace) -> Faces:
    """One face at 256 px."""
    assert woman_face.large is not None
    assert woman_face.points is not None
    assert woman_face.large.shape == (256, 256, 3)
    return Faces(woman_face.large[None], 2 * woman_face.points[None] + 0.5)


@pytest.mark.parametrize("seed", range(12))
def test_they_sit_around_the_eyes_and_change_nothing_else(seed: int, faces: Faces) -> None:
    worn = put_on(faces.crops[0], faces.points[0], np.random.default_rng(seed))
    assert worn.picture.shape == (256, 256, 3)
    assert worn.picture.dtype == np.uint8
    for mask in (worn.frame, worn.lenses):
        assert mask.min() >= 0
        assert mask.max() <= 1
    assert (worn.frame + worn.lenses).max() <= 1 + 1e-6
    assert 20 < worn.frame.sum() < 0.2 * worn.frame.size
    for eye in (slice(36, 42), slice(42, 48)):
        x, y = faces.points[0, eye].mean(axis=0).round().astype(int)
        assert worn.lenses[y - 2 : y + 3, x - 2 : x + 3].mean() > 0.5
    changed = np.abs(worn.picture.astype(int) - faces.crops[0]).max(axis=2)
    mouth = round(faces.points[0, 48:68, 1].min())
    assert changed[mouth + 20 :].max() <= 1
    np.testing.assert_array_equal(put_on(faces.crops[0], faces.points[0], np.random.default_rng(seed)).picture, worn.picture)


def test_who_wears_some_teaches_nothing(faces: Faces, officer_face: AlignedFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert officer_face.large is not None
    (tmp_path / "portraits").mkdir()
    (tmp_path / "officials").mkdir()
    for i in range(8):
        Pillow.fromarray(faces.crops[0]).save(tmp_path / "portraits" / f"{i}.png")
    Pillow.fromarray(officer_face.large).save(tmp_path / "officials" / "officer.png")
    crops = np.repeat(cv2.resize(faces.crops[0], (128, 128), interpolation=cv2.INTER_AREA)[None], 3, axis=0)
    names = np.array([f"lfw/{i}" for i in range(3)])
    photos = FaceData(np.asarray(crops, np.uint8), names, names, np.full((3, 13), -1, np.int8), np.full(3, "lfw"))
    monkeypatch.setattr(masks, "faces_of", lambda *_: photos)
    lesson, exam = glasses.load(tmp_path, tmp_path)
    split = [split_of(f"portraits/{i}.png") for i in range(8)]
    assert len(exam) == split.count("test")
    assert len(lesson) == 8 - split.count("test") + len(photos.split("train"))
    assert lesson.crops.shape[1:] == (256, 256, 3)
    np.testing.assert_allclose(lesson.points[-1], faces.points[0], atol=8)


def test_lessons_have_pictures_and_masks(faces: Faces) -> None:
    images, masks = glasses.lesson(faces, 6, 0.5, np.random.default_rng(0))
    assert images.shape == (6, 3, 144, 256)
    assert masks.shape == (6, 2, 144, 256)
    assert images.abs().max() <= 1
    with_glasses = masks.flatten(1).max(dim=1).values > 0.5
    assert 0 < with_glasses.sum() < 6


def test_run_learns_and_says_how_well(faces: Faces, tmp_path: Path) -> None:
    seen: list[float] = []

    def note(_: int, __: int, word: str) -> None:
        seen.append(float(word.removeprefix("loss ")))

    options = GlassesOptions(width=4, steps=12, batch_size=4, learning_rate=1e-2)
    network = glasses.train(faces, faces, tmp_path, options, note)
    assert network.width == 4
    assert not network.training
    assert np.mean(seen[-3:]) < np.mean(seen[:3])
    assert "frame recall" in (tmp_path / "glasses.json").read_text()


def test_no_faces_are_refused(faces: Faces, tmp_path: Path) -> None:
    none: NDArray[np.bool_] = np.zeros(1, bool)
    with pytest.raises(DataError, match="without glasses"):
        glasses.train(Faces(faces.crops[none], faces.points[none]), faces, tmp_path, GlassesOptions(steps=1))
