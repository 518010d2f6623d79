"""One new face for a person in several pictures."""

import numpy as np
import pytest

from deid.anonymizer.engine import Anonymizer
from deid.core.options import Options
from deid.core.types import AlignedFace, Crops, Detection, Image

#: How far new faces lie from the one before, one after the other in thresholds; how hard it is tried; which one is chosen, of how many.
ROUNDS = {
    "a far one is taken at once": ([1.4, 2.0, 1.1], "balanced", 0, 1),
    "the farthest of three": ([1.05, 1.2, 1.1, 2.0], "balanced", 1, 3),
    "the first of three": ([1.2, 1.1, 1.15, 2.0], "balanced", 0, 3),
    "until one is far": ([1.1, 1.35, 2.0], "balanced", 1, 2),
    "after one that failed": ([0.8, 1.1, 1.05, 1.2, 2.0], "balanced", 3, 4),
    "ones that fail after one that passes": ([1.1, 0.8, 0.9, 2.0], "balanced", 0, 3),
    "the first that passes": ([0.8, 1.1, 1.2], "fast", 1, 2),
}


class _Distances:
    """Says how far the face that was made last lies from the photo's."""

    name, threshold = "distances", 0.5

    def __init__(self, thresholds: list[float]) -> None:
        self._thresholds, self.drawn = thresholds, list[np.ndarray]()
        self._last, self._own = 0.0, np.zeros(())

    def make(self, face: AlignedFace, sets: np.ndarray) -> Image:
        """A new face, the same one for the same set."""
        known = [i for i, row in enumerate(self.drawn) if np.array_equal(row, sets)]
        if not known:
            self.drawn.append(sets.copy())
        self._last = self._thresholds[known[0] if known else len(self.drawn) - 1]
        return np.full_like(face.crop, 128)

    def embed(self, crops: Crops) -> np.ndarray:
        if self._own.ndim == 0:
            self._own = crops[0].astype(float)
        off = np.abs(crops - self._own).mean(axis=(1, 2, 3))
        angle = np.where(off < 1, 0.0, 2 * np.arcsin(self.threshold * self._last / 2))
        return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


@pytest.mark.parametrize(("thresholds", "quality", "chosen", "made"), ROUNDS.values(), ids=ROUNDS.keys())
@pytest.mark.parametrize("n_views", [1, 3])
def test_the_farthest_of_a_few_is_chosen(
    thresholds: list[float], quality: str, chosen: int, made: int, n_views: int, astronaut: Image, woman: Detection, fake_editor: type
) -> None:
    distances = _Distances(thresholds)
    options = Options(quality=quality, min_realism=0.0, min_iou=0.0, gender_slack=1.0)
    engine = Anonymizer(options, editor=fake_editor(distances.make), embedders=[distances])
    level = engine.choose([(astronaut, woman)] * n_views, 1)
    assert level is not None
    assert level.sets is not None
    np.testing.assert_array_equal(level.sets[0], distances.drawn[chosen])
    assert len(distances.drawn) == made
    assert level.accepted == (n_views > 1)
