"""What the teachers see becomes labels: sure, doubtful, cut to the photo, made once."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.types import Detection, Image
from deid.training import boxes
from deid.training.data import split_of


class _Teacher:
    """Sees a face of 20 px at (10, 10) in pixels of whatever it is shown, with one score per look."""

    name = "teacher"

    def __init__(self, scores: Sequence[float], box: Sequence[float] = (10, 10, 30, 30)) -> None:
        self.scores, self.box, self.seen = list(scores), np.array(box, float), list[tuple[int, ...]]()

    def detect(self, image: Image) -> list[Detection]:
        self.seen.append(image.shape)
        score = self.scores[(len(self.seen) - 1) % len(self.scores)]
        return [Detection(self.box, score, None, self.name)] if score else []


BLANK = np.zeros((60, 80, 3), np.uint8)


def _mtcnn(score: float, *box: float) -> list[Detection]:
    return [Detection(np.array(box), score, None, "mtcnn")]


def test_the_teacher_looks_twice_and_the_second_look_comes_back_in_size() -> None:
    teacher = _Teacher([0, 0.8])
    found, sure = boxes.label(BLANK, teacher, [])
    assert teacher.seen == [(60, 80, 3), (120, 160, 3)]
    np.testing.assert_allclose(found, [[5, 5, 15, 15]])
    assert sure.tolist() == [True]


@pytest.mark.parametrize(
    ("score", "mtcnn", "expected"),
    [
        (0.9, [], [True]),
        (0.35, [], [False]),
        (0.0, _mtcnn(0.99, 40, 10, 60, 30), [True]),
        (0.0, _mtcnn(0.8, 40, 10, 60, 30), [False]),
        (0.9, _mtcnn(0.99, 11, 11, 31, 31), [True]),
        (0.35, _mtcnn(0.99, 11, 11, 31, 31), [False]),
        (0.9, _mtcnn(0.8, 40, 10, 60, 30), [True, False]),
        (0.0, [], []),
    ],
)
def test_who_is_sure(score: float, mtcnn: list[Detection], expected: list[bool]) -> None:
    found, sure = boxes.label(BLANK, _Teacher([score, 0]), mtcnn)
    assert sure.tolist() == expected
    assert found.shape == (len(expected), 4)


def test_boxes_are_cut_to_the_photo() -> None:
    found, _ = boxes.label(BLANK, _Teacher([0.9, 0], (-5, 50, 20, 75)), [])
    np.testing.assert_allclose(found, [[0, 50, 20, 60]])


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    """Two photos each of three training people and of one test person."""
    people = [next(f"{i}{split}" for i in range(99) if split_of(f"lfw/{i}{split}") == split) for split in ("train", "test")]
    people += [f"{i}" for i in range(99) if split_of(f"lfw/{i}") == "train"][:2]
    for person in people:
        folder = tmp_path / "data/lfw-deepfunneled" / person
        folder.mkdir(parents=True)
        for k in range(2):
            buffer = io.BytesIO()
            PillowImage.fromarray(np.full((60, 80, 3), 40 * k, np.uint8)).save(buffer, "jpeg")
            (folder / f"{person}_{k}.jpg").write_bytes(buffer.getvalue())
    return tmp_path / "data"


def test_training_people_only_and_once(lfw: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    photos = boxes.load(lfw, tmp_path / "cache", lambda: _Teacher([0.9, 0, 0, 0]), lambda done, of, text: steps.append((done, of)))
    assert steps == [(i, 6) for i in range(1, 7)]
    assert all(split_of("lfw/" + p.name.rsplit("_", 1)[0]) == "train" for p in photos)
    assert [len(p.boxes) for p in photos] == [1, 0] * 3
    assert photos[0].image().shape == (60, 80, 3)

    def nobody() -> _Teacher:
        raise AssertionError("labelled twice")

    again = boxes.load(lfw, tmp_path / "cache", nobody)
    assert [p.name for p in again] == [p.name for p in photos]
    for a, b in zip(again, photos, strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
        assert a.data == b.data


def test_no_photos(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected lfw-deepfunneled"):
        boxes.load(tmp_path, tmp_path / "cache", lambda: _Teacher([1]))
