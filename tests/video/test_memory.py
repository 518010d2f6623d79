"""The thesis's memory: what it fills, and what it lets go."""

import numpy as np
import pytest

from deid.core.types import Detection
from deid.video.memory import DetectionMemory, both_ways, collides


def _face(x: float, y: float = 50.0, side: float = 20.0) -> Detection:
    return Detection(np.array([x, y, x + side, y + side]))


@pytest.mark.parametrize(
    ("shift", "meets"), [((0, 0), True), ((20, 0), True), ((20.1, 0), False), ((15, 15), False), ((14, 14), True)], ids=str
)
def test_inscribed_circles_decide(shift: tuple[float, float], meets: bool) -> None:
    """Boxes of side 20: the circles of radius 10 touch at distance 20, though at (15, 15) the boxes overlap."""
    assert collides(_face(0), Detection(_face(0).box_xyxy + np.tile(shift, 2).astype(float))) is meets


@pytest.mark.parametrize("length", range(9))
def test_a_face_is_kept_for_as_long_as_the_memory(length: int) -> None:
    memory = DetectionMemory(length)
    seen = [len(memory.update(found)) for found in ([_face(0)], *[[] for _ in range(12)])]
    assert seen == [1] * (length + 1) + [0] * (12 - length)


def test_a_sighting_resets_the_counter_and_takes_the_place() -> None:
    memory = DetectionMemory(2)
    memory.update([_face(0)])
    memory.update([])
    (moved,) = memory.update([_face(5)])
    assert moved.box_xyxy[0] == 5
    assert [len(memory.update([])) for _ in range(3)] == [1, 1, 0]


def test_faces_apart_are_kept_apart() -> None:
    memory = DetectionMemory(1)
    memory.update([_face(0), _face(100)])
    assert {d.box_xyxy[0] for d in memory.update([_face(3)])} == {3, 100}


def test_what_is_found_is_never_lost() -> None:
    rng = np.random.default_rng(0)
    frames = [[_face(*rng.uniform(0, 400, 2)) for _ in range(rng.integers(0, 4))] for _ in range(30)]
    for length in (0, 1, 5):
        memory = DetectionMemory(length)
        for found in frames:
            filled = memory.update(found)
            assert all(any(f is d for d in filled) for f in found)


def test_longer_memories_cover_no_less() -> None:
    rng = np.random.default_rng(1)
    frames = [[_face(200 + 3 * i)] if rng.random() < 0.5 else [] for i in range(60)]
    covered = [sum(bool(filled) for filled in both_ways(frames, n)) for n in range(9)]
    assert covered == sorted(covered)
    assert covered[0] == sum(map(bool, frames))


def test_backward_memory_covers_what_comes_before_the_first_sighting() -> None:
    frames: list[list[Detection]] = [[], [], [], [_face(0)], [], []]
    assert [len(f) for f in both_ways(frames, 2)] == [0, 1, 1, 1, 1, 1]
    assert [len(f) for f in both_ways(frames, 0)] == [0, 0, 0, 1, 0, 0]


def test_every_third_detection_dropped_is_filled() -> None:
    frames = [[] if i % 3 == 2 else [_face(4.0 * i)] for i in range(30)]
    assert all(both_ways(frames, 1))


def test_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        DetectionMemory(-1)
