import numpy as np
import pytest

from deid.check.matching import landmark_error, match_boxes

FACE = np.array([[0.0, 0.0], [10.0, 0.0], [5.0, 5.0], [2.0, 10.0], [8.0, 10.0]])
BOX = [0.0, 0.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("a", "b", "iou_a", "iou_b"),
    [
        pytest.param([BOX], [BOX], [1.0], [1.0], id="same"),
        pytest.param([BOX], [], [0.0], [], id="missed"),
        pytest.param([], [BOX], [], [0.0], id="invented"),
        pytest.param([BOX], [[0, 0, 10, 5]], [0.5], [0.5], id="half"),
        pytest.param([BOX], [[0, 0, 10, 4.9]], [0.0], [0.0], id="under half"),
        pytest.param([BOX], [BOX, [1, 0, 11, 10]], [1.0], [1.0, 0.0], id="one partner only"),
    ],
)
def test_matches(a: list[list[float]], b: list[list[float]], iou_a: list[float], iou_b: list[float]) -> None:
    found = match_boxes(np.array(a), np.array(b))
    assert found.iou_a == pytest.approx(iou_a)
    assert found.iou_b == pytest.approx(iou_b)


def test_the_assignment_serves_both_faces() -> None:
    # Greedy by score would give the middle box to the first face and leave the second without.
    found = match_boxes(np.array([[0, 0, 10, 10], [4, 0, 14, 10]]), np.array([[2, 0, 12, 10], [-2, 0, 8, 10]]))
    assert found.partner_a.tolist() == [1, 0]


def test_landmark_error_is_in_eye_distances() -> None:
    assert landmark_error(FACE, FACE + np.array([3.0, 4.0])) == pytest.approx(0.5)
    assert landmark_error(FACE, FACE) == 0.0
