"""Training of the reader of gender: it learns what both networks tell, and says what each of them is worth."""

import json
from pathlib import Path

import numpy as np
import pytest

from deid.attributes.classify import MALE, AttributeReader
from deid.attributes.gender import GenderReader
from deid.embed.dlib_resnet import DlibResNetEmbedder
from deid.exceptions import DataError
from deid.training.data import FaceData
from deid.training.gender import GenderOptions, train


def test_it_learns_from_the_embedding(faces: FaceData, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    arrays = train(faces, tmp_path, GenderOptions(penalty=100.0), lambda *said: told.append(said))
    assert {name: a.shape for name, a in arrays.items()} == {"weight": (129,), "bias": (1,)}
    assert [step for step, _, _ in told] == [60, 12]
    scores = json.loads((tmp_path / "gender.json").read_text())
    assert set(scores) == {"classifier", "dlib", "both"}
    # Bright crops are men's here, dark ones women's; the shipped classifier cannot know that.
    assert min(scores["dlib"]["men"], scores["dlib"]["women"]) > 0.8
    exam = faces.split("validation")
    said = GenderReader(arrays).male(AttributeReader().probabilities(exam.crops), DlibResNetEmbedder().embed(exam.crops))
    assert ((said > 0.5) == (exam.labels[:, MALE] > 0)).mean() > 0.8


def test_one_gender_alone_is_no_lesson(faces: FaceData, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="men and women"):
        train(faces.where(faces.labels[:, MALE] == 1), tmp_path, GenderOptions())
