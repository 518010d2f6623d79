"""A doubtful find goes only when no close look finds a face there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from deid.core.types import Detection, Image
from deid.detection.confirm import ConfirmedDetector

BOX = np.array([60.0, 50, 100, 90])


@dataclass
class _Fixed:
    found: Sequence[Detection]
    name: str = "fixed"

    def detect(self, image: Image) -> list[Detection]:
        return list(self.found)


@dataclass
class _Judge:
    """Finds a face in the middle of whatever it looks at, or nothing."""

    sees: bool
    share: float = 0.5
    name: str = "judge"
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def detect(self, image: Image) -> list[Detection]:
        self.shapes.append(image.shape)
        h, w = image.shape[:2]
        low, high = (1 - self.share) / 2, (1 + self.share) / 2
        return [Detection(np.array([low * w, low * h, high * w, high * h]))] if self.sees else []


PHOTO = np.full((200, 220, 3), 90, np.uint8)


def _kept(detection: Detection, *judges: _Judge) -> bool:
    return bool(ConfirmedDetector(_Fixed([detection]), judges).detect(PHOTO))


def _marked(score: float, tall: float) -> Detection:
    """Eyes a pixel apart, and a mouth so far below them."""
    x, y = 80.0, 65.0
    return Detection(BOX, score, np.array([[x, y], [x + 1, y], [x, y + tall / 2], [x, y + tall], [x + 1, y + tall]]))


CASES: dict[str, tuple[Detection, tuple[bool, bool], bool]] = {
    "sure": (Detection(BOX, 0.95), (False, False), True),
    "doubtful and not seen again": (Detection(BOX, 0.6), (False, False), False),
    "doubtful and seen by one": (Detection(BOX, 0.6), (True, False), True),
    "doubtful and seen by the other": (Detection(BOX, 0.6), (False, True), True),
    "doubtful and cut by the border": (Detection(BOX - np.array([75, 0, 75, 0]), 0.6), (False, False), False),
    "sure, with landmarks as in no face": (_marked(0.95, 4.0), (False, False), False),
    "the same, seen by one": (_marked(0.95, 4.0), (False, True), True),
    "sure, from the side": (_marked(0.95, 16.0), (False, False), True),
    "doubtful beside the border": (Detection(BOX - np.array([60, 0, 60, 0]), 0.6), (False, False), False),
}


@pytest.mark.parametrize(("detection", "sees", "kept"), CASES.values(), ids=CASES.keys())
def test_confirmation(detection: Detection, sees: tuple[bool, bool], kept: bool) -> None:
    assert _kept(detection, *(_Judge(s) for s in sees)) == kept


def test_a_face_elsewhere_in_the_view_is_no_confirmation() -> None:
    """A judge that calls the whole view a face does not mean this one."""
    assert not _kept(Detection(BOX, 0.6), _Judge(True, 0.05), _Judge(True, 0.05))


def test_sure_finds_are_not_looked_at_again() -> None:
    judges = _Judge(False), _Judge(False)
    _kept(Detection(BOX, 0.95), *judges)
    assert not judges[0].shapes + judges[1].shapes


def test_tiny_finds_are_looked_at_enlarged() -> None:
    judges = _Judge(False), _Judge(False)
    assert not _kept(Detection(np.array([10.0, 10, 12, 13]), 0.6), *judges)
    assert all(max(shape) >= 100 for j in judges for shape in j.shapes)


def test_two_judges_are_needed() -> None:
    with pytest.raises(ValueError, match="expected two judges, got 1"):
        ConfirmedDetector(_Fixed([]), [_Judge(True)])
