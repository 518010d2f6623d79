"""Long work tells how far it is."""

import numpy as np

from deid.anonymizer.engine import Anonymizer
from deid.core import steps
from deid.core.options import Options
from deid.core.types import Detection


def _counted(n: int) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    boxes = [Detection(np.array([x, y, x + 20.0, y + 20.0])) for x in range(0, 400, 40) for y in range(0, 400, 40)]
    with steps.watched(lambda done, of: told.append((done, of))):
        Anonymizer(Options(method="solid")).process(np.full((400, 400, 3), 90, np.uint8), boxes[:n], 1)
    return told


def test_a_picture_of_many_faces_tells_of_each_when_it_is_prepared_and_edited() -> None:
    assert sorted(_counted(30)) == [(i, 60) for i in range(1, 61)]


def test_a_picture_of_few_faces_tells_nothing() -> None:
    assert _counted(3) == []


def test_nobody_is_told_after_the_watch() -> None:
    with steps.watched(lambda done, of: None):
        pass
    steps.counter(100)()
