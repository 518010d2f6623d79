from collections import Counter

import numpy as np
import pytest
from typer.testing import CliRunner

from deid.exceptions import ConfigError
from deid.structures import Detection, Image
from evaluation import datasets, methods
from evaluation.cli import app
from evaluation.studies import STUDIES
from evaluation.studies.bench import _Remembering
from evaluation.studies.orl_knn import _hits, folds


def test_an_unknown_study_lists_the_valid_ones() -> None:
    answer = CliRunner().invoke(app, ["study", "nonsense", "-o", "unused"])
    assert answer.exit_code == 2
    assert all(name in answer.output for name in STUDIES)


def test_every_photo_is_tested_once_and_every_person_in_each_split() -> None:
    labels = np.repeat(np.arange(5), 10)
    fold = folds(labels, 0)
    assert all(sorted(fold[labels == person]) == list(range(10)) for person in range(5))


def test_neighbours_find_people_apart() -> None:
    labels = np.repeat(np.arange(20), 10)
    images = np.random.default_rng(0).normal(labels[:, None, None] * 10.0, 1.0, (200, 16, 16))
    assert _hits(images, labels, folds(labels, 0)).all()


@pytest.mark.parametrize(
    ("method", "changes"), [("untouched", False), ("solid", True), ("blur", True), ("blur_px", True), ("pixelate", True)]
)
def test_methods_stay_in_the_box(method: str, changes: bool) -> None:
    image = np.random.default_rng(0).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    build = {"blur": lambda: methods.blur(0.2), "blur_px": lambda: methods.blur_px(3), "pixelate": lambda: methods.pixelate(6)}
    edit = build.get(method) or getattr(methods, method)
    output = edit()(image, [Detection(np.array([20.0, 20, 60, 60])), Detection(np.array([70.0, 70, 95, 95]))])
    differs = (output != image).any(axis=2)
    assert differs[20:60, 20:60].any() == changes
    assert not differs[:14].any()
    assert not differs[14:66, 66:].any()


def test_methods_are_built_from_words() -> None:
    image = np.random.default_rng(0).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    faces = [Detection(np.array([20.0, 20, 60, 60]))]
    assert (methods.build("pixelate:12")(image, faces) == methods.pixelate(12)(image, faces)).all()
    with pytest.raises(ConfigError, match="valid are attgan, blur"):
        methods.build("magic")
    with pytest.raises(ConfigError, match="a number"):
        methods.build("blur:much")


def test_a_crowd_has_people_and_others() -> None:
    photos = [datasets.Photo(f"p{i}_{k}.jpg", f"p{i}", "", bytes) for i in range(20) for k in range(1 + i % 4)]
    chosen = datasets.crowd(photos, 6, 2, 3)
    count = Counter(p.identity for p in chosen)
    assert sorted(count.values()) == [1] * 3 + [2] * 6
    assert chosen == datasets.crowd(photos, 6, 2, 3)


def test_untouched_photos_are_looked_at_once() -> None:
    calls: list[int] = []

    class Counting:
        name = "counting"

        def detect(self, image: Image) -> list[Detection]:
            calls.append(id(image))
            return []

    known, other = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8)
    detector = _Remembering(Counting(), [known])
    for image in (known, known, other, other):
        assert detector.detect(image) == []
    assert len(calls) == 3
