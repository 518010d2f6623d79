"""What counts as found."""

import numpy as np
import pytest

from evaluation.studies.detectors import pairs

_FACE = [10.0, 10, 50, 60]


@pytest.mark.parametrize(
    ("find", "right"),
    [
        (_FACE, True),
        ([0.0, 0, 60, 80], True),
        ([22.0, 27, 40, 45], True),
        ([45.0, 55, 90, 110], False),
        ([0.0, 0, 300, 300], False),
    ],
    ids=["the same", "wider", "within", "a corner", "the whole photo"],
)
def test_a_find_is_right_where_it_is_and_as_large_as_the_face(find: list[float], right: bool) -> None:
    hit, good = pairs(np.array([_FACE]), np.array([find]))
    assert hit.tolist() == [right]
    assert good.tolist() == [right]


def test_two_finds_of_one_face_count_once() -> None:
    hit, good = pairs(np.array([_FACE, [100.0, 100, 140, 150]]), np.array([_FACE, [12.0, 12, 52, 62]]))
    assert hit.tolist() == [True, False]
    assert good.tolist() == [True, False]


def test_nothing_found_and_nothing_there() -> None:
    none = np.zeros((0, 4))
    assert [x.tolist() for x in pairs(np.array([_FACE]), none)] == [[False], []]
    assert [x.tolist() for x in pairs(none, np.array([_FACE]))] == [[], [False]]
