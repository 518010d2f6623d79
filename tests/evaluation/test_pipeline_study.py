"""The study of the whole product: whom it counts as tried, and that it runs on real people."""

import numpy as np
import pytest

from deid.core.types import Crops, Detection, FaceResult, Verification
from evaluation import datasets
from evaluation.datasets import data_folder
from evaluation.studies import STUDIES, StudyOptions, pipeline

_FACE = Detection(np.array([0.0, 0.0, 10.0, 10.0]))
_CHECK = Verification((), True, 1.0, 0.9, 0.9, 0.9, ())


def _result(method: str, new: bool, *why: str) -> FaceResult:
    return FaceResult(_FACE, method, "passed" if new else "fallback", _CHECK, {"Male": 1.0} if new else {}, why=why)


def test_a_face_is_tried_when_it_is_new_or_was_given_up() -> None:
    assert pipeline._was_tried(_result("attgan_29", True))
    assert pipeline._was_tried(_result("blur", False, "attgan_29 x1: realism 0.44 < 0.50"))
    assert not pipeline._was_tried(_result("blur", False, "score 0.62 < 0.90"))


class _AllMen:
    def male(self, crops: Crops) -> np.ndarray:
        return np.ones(len(crops), bool)


@pytest.mark.skipif(not (data_folder() / "lfw-deepfunneled.tar").exists(), reason="no LFW in the data folder")
def test_four_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_OTHERS", 2)
    monkeypatch.setattr(pipeline, "learned_opinion", lambda options, lesson, look: _AllMen())
    monkeypatch.setattr(pipeline, "FaceMaps", lambda: None)
    results = STUDIES["pipeline"](StudyOptions(people=4))
    found = {(m.section, m.name, m.group): m for m in results.measures}
    assert found["subjects", "found again", "all"].value >= 0.75
    assert found["subjects", "IoU with the box before", "all"].value > 0.6
    assert found["subjects", "gender kept", "all"].value == 1.0
    genders = [p.gender for p in datasets.people(datasets.lfw("test"), 4, 1, 0)]
    assert found["subjects", "gender read as labelled, before", "all"].value == genders.count("male") / 4
    assert found["all faces", "new face, of those that were tried", "all"].value >= 0.75
    assert found["all faces", "sharp and sure enough for a new face", "all"].n >= 4
