"""Where a face is in each frame."""

import numpy as np

from deid.core.types import Detection
from deid.video.steady import steadied


def _at(x: float) -> Detection:
    points = np.array([[12.0, 16], [28, 16], [20, 24], [14, 32], [26, 32]])
    return Detection(np.array([x, 0, x + 40, 48]), 1.0, points + np.array([x, 0]))


def test_a_gap_does_not_move_the_face_on_either_side_of_it() -> None:
    """Its person may have gone, and have come back elsewhere."""
    before, after = _at(0.0), _at(12.0)
    seen = dict.fromkeys(range(4), before) | dict.fromkeys(range(9, 13), after)
    for index, there in seen.items():
        found = steadied(seen, index)
        np.testing.assert_allclose(found.box_xyxy, there.box_xyxy, atol=1e-9)
        np.testing.assert_allclose(np.asarray(found.landmarks), np.asarray(there.landmarks), atol=1e-9)
    between = [steadied(seen, index).box_xyxy[0] for index in range(4, 9)]
    assert (np.diff([0.0, *between, 12.0]) > 0).all()
