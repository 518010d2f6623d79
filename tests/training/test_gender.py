"""Training of the reader of gender: it learns, and says what it has learned."""

import json
from pathlib import Path

import pytest

from deid.core.attributes import MALE
from deid.core.errors import DataError
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import GenderReader
from deid.training.data import FaceData
from deid.training.gender import train
from deid.training.logistic import LogisticOptions


def test_it_learns_from_the_embedding(faces: FaceData, tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    arrays = train(faces, tmp_path, LogisticOptions(penalty=100.0), lambda *said: steps.append(said))
    assert {name: a.shape for name, a in arrays.items()} == {"weight": (128,), "bias": (1,)}
    assert [step for step, _, _ in steps] == [60, 12]
    exam = faces.split("validation")
    right = (GenderReader(arrays).male(DlibResNetEmbedder().embed(exam.crops)) > 0.5) == (exam.labels[:, MALE] > 0)
    # Bright crops are men's here, dark ones women's.
    assert right.mean() > 0.8
    scores = json.loads((tmp_path / "gender.json").read_text())["celeba"]
    assert (scores["men"] + scores["women"]) / 2 == pytest.approx(right.mean())


def test_one_gender_alone_is_no_lesson(faces: FaceData, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="men and women"):
        train(faces.where(faces.labels[:, MALE] == 1), tmp_path, LogisticOptions())
