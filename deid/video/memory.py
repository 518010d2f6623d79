"""Short-term memory of detections: a recent face counts as still there.

As in the thesis that this project grew from: every remembered face carries a counter of frames in which nothing met it, and
is forgotten when the counter exceeds the memory's length. It knows nothing of motion: `deid.video.track` does.
"""

from collections.abc import Sequence

import numpy as np

from deid.core.types import Detection


def collides(a: Detection, b: Detection) -> bool:
    """Whether the circles inscribed in two boxes meet: C1C2 <= r1 + r2. It decides that both are one face."""
    (centre_a, radius_a), (centre_b, radius_b) = _circle(a), _circle(b)
    return bool(np.linalg.norm(centre_a - centre_b) <= radius_a + radius_b)


def _circle(d: Detection) -> tuple[np.ndarray, float]:
    low, high = d.box_xyxy[:2], d.box_xyxy[2:]
    return (low + high) / 2, float((high - low).min()) / 2


class DetectionMemory:
    """Fills what a detector misses with what it saw in the frames before.

    Args:
        length: frames that a face is remembered for; 0 for no memory.

    Examples:
        >>> memory = DetectionMemory(2)
        >>> [len(memory.update(found)) for found in ([detection], [], [], [])]
        [1, 1, 1, 0]
    """

    def __init__(self, length: int = 2) -> None:
        if length < 0:
            raise ValueError(f"expected a length of 0 or more frames, got {length}")
        self.length = length
        self._missed: list[tuple[Detection, int]] = []

    def update(self, found: Sequence[Detection]) -> list[Detection]:
        """The faces of the next frame: those that were found, and those that are remembered."""
        kept = [(d, n + 1) for d, n in self._missed if n < self.length and not any(collides(d, f) for f in found)]
        self._missed = [(f, 0) for f in found] + kept
        return [d for d, _ in self._missed]


def both_ways(frames: Sequence[Sequence[Detection]], length: int) -> list[list[Detection]]:
    """The memory run forward and backward over all frames: a face is filled in before its first sighting too.

    Args:
        frames: what was found in each frame.
        length: frames that a face is remembered for in either direction.

    Returns:
        For each frame what was found there, then what the forward memory adds, then what only the backward one does.
    """
    forward, backward = DetectionMemory(length), DetectionMemory(length)
    ahead = [forward.update(found) for found in frames]
    behind = [backward.update(found) for found in reversed(frames)][::-1]
    return [[*a, *(d for d in b if not any(collides(d, other) for other in a))] for a, b in zip(ahead, behind, strict=True)]
