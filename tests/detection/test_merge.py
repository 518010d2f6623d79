"""One list of faces out of several, and detectors by name."""

import numpy as np
import pytest

from deid.core.errors import ConfigError
from deid.core.types import Detection, Image
from deid.detection import DETECTORS, EnsembleDetector, build_detector, merge

POINTS = np.full((5, 2), 20.0)


def _face(x: float, y: float, size: float, score: float = 0.9, points: np.ndarray | None = None, name: str = "a") -> Detection:
    return Detection(np.array([x, y, x + size, y + size]), score, points, name)


def test_nothing_to_merge() -> None:
    assert merge([]) == []


def test_one_face_of_two_detectors_is_one() -> None:
    kept = merge([_face(0, 0, 40, 0.6, name="a"), _face(3, 2, 40, 0.8, name="b")])
    assert [d.detector for d in kept] == ["b"]


def test_landmarks_come_before_score() -> None:
    kept = merge([_face(0, 0, 40, 1.0, name="boxes"), _face(3, 2, 40, 0.5, POINTS, "points")])
    assert [d.detector for d in kept] == ["points"]


def test_neighbours_stay() -> None:
    assert len(merge([_face(0, 0, 40), _face(25, 0, 40), _face(100, 0, 40)])) == 3


def test_face_inside_a_face_is_one() -> None:
    assert len(merge([_face(0, 0, 100, 0.9), _face(30, 30, 20, 0.7)])) == 1


class _Fixed:
    def __init__(self, name: str, found: list[Detection]) -> None:
        self.name, self._found = name, found

    def detect(self, image: Image) -> list[Detection]:
        return self._found


def test_ensemble_is_the_union() -> None:
    union = EnsembleDetector([_Fixed("a", [_face(0, 0, 40)]), _Fixed("b", []), _Fixed("c", [_face(90, 0, 40), _face(1, 1, 40)])])
    assert union.name == "a+b+c"
    assert len(union.detect(np.zeros((9, 9, 3), np.uint8))) == 2


@pytest.mark.parametrize("names", ["nope", "mtcnn+nope", "mtcnn+", "", "MTCNN"])
def test_unknown_detector_lists_the_valid_ones(names: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown detector .*{', '.join(sorted(DETECTORS))}"):
        build_detector(names)


def test_union_by_name(astronaut: Image, woman: Detection) -> None:
    union = build_detector("haar+dlib_hog", min_face=30)
    assert union.name == "haar+dlib_hog"
    assert any(np.abs(d.box_xyxy - woman.box_xyxy).max() < 35 for d in union.detect(astronaut))
