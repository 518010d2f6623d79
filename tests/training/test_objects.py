"""Objects are drawn before faces, and a network learns from them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from deid.core.errors import DataError
from deid.core.types import AlignedFace
from deid.training import masks, objects
from deid.training.data import FaceData, split_of
from deid.training.masks import Faces
from deid.training.objects import Lessons, ObjectsOptions
from deid.training.obstacles import CutOut, put_before, shadowed


@pytest.fixture(scope="module")
def faces(woman_face: AlignedFace) -> Faces:
    """One face at 128 px."""
    assert woman_face.points is not None
    return Faces(woman_face.crop[None], 2 * woman_face.points[None] + 0.5)


@pytest.mark.parametrize("seed", range(16))
def test_they_come_in_from_outside_and_change_little_else(seed: int, faces: Faces, officer_face: AlignedFace) -> None:
    picture, other = (cv2.resize(crop, (256, 256), interpolation=cv2.INTER_CUBIC) for crop in (faces.crops[0], officer_face.crop))
    made = put_before(picture, faces.points[0], other, np.random.default_rng(seed))
    assert made.picture.shape == (256, 256, 3)
    assert made.picture.dtype == np.uint8
    assert made.mask.min() >= 0
    assert made.mask.max() <= 1
    assert 60 < made.mask.sum() < 0.6 * made.mask.size
    # Beside an object lies its shadow at most.
    changed = made.picture.astype(int) - picture
    far = cv2.dilate(made.mask, np.ones((81, 81), np.uint8)) == 0
    assert np.abs(changed[far]).max(initial=0) <= 1
    assert changed[made.mask < 0.005].max(initial=0) <= 3
    np.testing.assert_array_equal(put_before(picture, faces.points[0], other, np.random.default_rng(seed)).picture, made.picture)


def test_shadows_only_darken(faces: Faces) -> None:
    darker = shadowed(faces.crops[0], np.random.default_rng(1))
    assert (darker <= faces.crops[0]).all()
    assert (darker < faces.crops[0]).any()


def test_cut_outs_are_put_where_they_were(faces: Faces, officer_face: AlignedFace) -> None:
    picture, other = (cv2.resize(crop, (256, 256), interpolation=cv2.INTER_CUBIC) for crop in (faces.crops[0], officer_face.crop))
    mask = np.zeros((256, 256), np.float32)
    mask[160:, 100:150] = 1
    cut_out = CutOut(np.full((256, 256, 3), (0, 0, 250), np.uint8), mask, faces.points[0])
    made = put_before(picture, faces.points[0], other, np.random.default_rng(0), cut_out)
    assert (made.mask * mask).sum() > 0.5 * mask.sum()
    inside = made.picture[made.mask > 0.99].astype(int)
    assert (inside[:, 2] > inside[:, 0] + 50).all()


def test_photos_with_objects_are_no_plain_ones(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "portraits").mkdir()
    large = cv2.resize(faces.crops[0], (256, 256), interpolation=cv2.INTER_CUBIC)
    for i in range(8):
        Pillow.fromarray(large).save(tmp_path / "portraits" / f"{i}.png")
    outlines = {"b_0001.jpg": [], "d_0001.jpg": [[[50, 90], [70, 90], [70, 127], [50, 127]]]}
    (tmp_path / "lfw-objects.json").write_text(json.dumps(outlines))
    monkeypatch.setattr(objects, "_OUTLINES", tmp_path / "lfw-objects.json")
    names = np.array(["a_0001.jpg", "a_0002.jpg", "b_0001.jpg", "d_0001.jpg", "1.jpg"])
    people = np.array([next(f"{n}{i}" for i in range(99) if split_of(f"{n}{i}") == "train") for n in ("a", "a", "b", "d", "c")])
    crops = np.repeat(faces.crops, 5, axis=0)
    photos = FaceData(crops, names, people, np.full((5, 13), -1, np.int8), np.array(["lfw", "lfw", "lfw", "lfw", "celeba"]))
    monkeypatch.setattr(masks, "faces_of", lambda *_: photos)
    taught, tested = objects.load(tmp_path, tmp_path)
    split = [split_of(f"portraits/{i}.png") for i in range(8)]
    assert len(tested.faces) == split.count("test")
    # One of each person who is not named, and one of CelebA.
    assert len(taught.faces) == 8 - split.count("test") + 2
    assert taught.faces.crops.shape[1:] == (128, 128, 3)
    np.testing.assert_allclose(taught.faces.points[0], faces.points[0], atol=8)
    # A woman has no beard.
    assert not len(taught.bearded)
    assert len(taught.cut_outs) == 1
    assert taught.cut_outs[0].mask[200, 120] == pytest.approx(1)
    assert taught.cut_outs[0].mask[255, 120] == pytest.approx(1)
    assert taught.cut_outs[0].mask[100, 120] == 0


def test_outlines_are_lists_of_corners_within_a_crop() -> None:
    outlines = json.loads(objects._OUTLINES.read_text())
    corners = np.concatenate([corners for one in outlines.values() for corners in one])
    assert len(outlines) > 100
    assert corners.shape[1:] == (2,)
    assert corners.min() >= 0
    assert corners.max() <= 127
    assert all(split_of(f"lfw/{name[:-9]}") == "train" for name in outlines)


@pytest.fixture(scope="module")
def lessons(faces: Faces) -> Lessons:
    mask = np.zeros((256, 256), np.float32)
    mask[200:, 100:150] = 1
    large = cv2.resize(faces.crops[0], (256, 256), interpolation=cv2.INTER_CUBIC)
    return Lessons(faces, np.array([0]), (CutOut(np.asarray(large, np.uint8), mask, faces.points[0]),))


def test_lessons_have_pictures_masks_and_weights(lessons: Lessons) -> None:
    images, drawn, counts = objects.lesson(lessons, 8, 0.5, np.random.default_rng(0))
    assert images.shape == (8, 3, 128, 128)
    assert drawn.shape == counts.shape == (8, 1, 128, 128)
    assert images.abs().max() <= 1
    with_object = drawn.flatten(1).max(dim=1).values > 0.5
    assert 0 < with_object.sum() < 8
    assert counts[:, :, 64, 64].min() == 1
    assert counts[:, :, 0, 0].max() < 1


def test_run_learns_and_says_how_well(lessons: Lessons, tmp_path: Path) -> None:
    seen: list[float] = []

    def note(_: int, __: int, word: str) -> None:
        seen.append(float(word.removeprefix("loss ")))

    options = ObjectsOptions(width=4, steps=12, batch_size=4, learning_rate=1e-2)
    network = objects.train(lessons, lessons, tmp_path, options, note)
    assert network.width == 4
    assert not network.training
    assert np.mean(seen[-3:]) < np.mean(seen[:3])
    assert "object recall" in (tmp_path / "objects.json").read_text()


def test_no_faces_are_refused(lessons: Lessons, tmp_path: Path) -> None:
    none: NDArray[np.bool_] = np.zeros(1, bool)
    empty = Lessons(Faces(lessons.faces.crops[none], lessons.faces.points[none]), np.array([], np.int64))
    with pytest.raises(DataError, match="without objects"):
        objects.train(empty, lessons, tmp_path, ObjectsOptions(steps=1))
