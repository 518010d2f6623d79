"""Where a face is in each frame."""

from dataclasses import dataclass

import numpy as np
import pytest

from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.video.pace import Pace
from deid.video.steady import remembered, steadied
from deid.video.track import BoxFilter, Track
from deid.video.window import Window


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


@dataclass(frozen=True)
class _Frame:
    def rgb(self) -> Image:
        return np.zeros((8, 8, 3), np.uint8)


def test_the_cover_of_a_face_that_is_seen_no_more_does_not_jump() -> None:
    """Its last sightings were forgotten one by one, and from each of the rest it moved on in another direction."""
    rng, pace = np.random.default_rng(0), Pace.of(Options())
    seen = {i: _at(200 + 3.0 * i + rng.uniform(-4, 4)) for i in range(10)}
    track = Track(0, BoxFilter(seen[0].box_xyxy), dict(seen), 9)
    window: Window[_Frame] = Window()
    window.cut(0)
    for index in range(10 + pace.memory):
        window.add(index, _Frame())
    window.admit([track])
    boxes = np.array([found.faces[0].detection.box_xyxy for found in (window.leave(pace, set()) for _ in range(10 + pace.memory))])
    tail = boxes[10:]
    for side in (0, 2):
        assert (np.diff(tail[:, side]) * (side - 1) > 0).all(), "it only grows"
    for index, box in enumerate(tail, 10):
        np.testing.assert_allclose(box, remembered(seen, 9, index).box_xyxy)


@pytest.mark.parametrize("speed", [-6.0, 0.0, 6.0])
def test_the_place_of_the_last_sighting_stays_covered(speed: float) -> None:
    seen = {i: _at(speed * i) for i in range(10)}
    for index in range(10, 20):
        box, last = remembered(seen, 9, index).box_xyxy, seen[9].box_xyxy
        assert (box[:2] <= last[:2]).all()
        assert (box[2:] >= last[2:]).all()
        ahead = last[0] + speed * min(index - 9, 3)
        assert box[0] <= ahead
        assert box[2] >= ahead + 40
