"""A cover hides the whole box; the names that contributors are given change how it fades, and nothing else."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from deid.anonymizer.cover import cover
from deid.anonymizer.fallback import covers
from deid.anonymizer.models import Models
from deid.anonymizer.request import Level
from deid.compositing import blend, fill
from deid.core.options import Options
from deid.core.types import Detection, Image

BOX = (30, 24, 62, 64)
FACE = Detection(np.array(BOX, np.float64))


def _picture() -> Image:
    return np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)


def _first(options: Options) -> Level:
    return next(covers(Models(options)))


def _covered(level: Level) -> Image:
    return cover(level, _picture(), FACE, 0.15).image


#: What the level covers, and whether it fades into what surrounds it.
LEVELS: dict[str, tuple[Callable[[], Level], bool]] = {
    "requested": (lambda: _first(Options(method="solid")), False),
    "in place of a new face": (lambda: _first(Options()), True),
}


@pytest.mark.parametrize(("level", "fades"), LEVELS.values(), ids=LEVELS)
def test_the_whole_box_is_covered_and_little_more(level: Callable[[], Level], fades: bool) -> None:
    shown = cover(level(), _picture(), FACE, 0.15)
    x0, y0, x1, y1 = BOX
    assert level().fades == fades
    assert shown.touched[y0:y1, x0:x1].all()
    np.testing.assert_array_equal(shown.image[~shown.touched], _picture()[~shown.touched])
    assert shown.touched.sum() < 2 * (x1 - x0) * (y1 - y0)
    # Noise is left nowhere in the box.
    assert np.abs(np.diff(shown.image[y0:y1, x0:x1].astype(int), axis=1)).mean() < 20


@pytest.mark.parametrize(
    ("level", "module", "name", "changes"),
    [
        ("requested", blend, "_COVER_FEATHER", True),
        ("requested", fill, "_MIDDLE", False),
        ("in place of a new face", fill, "_MIDDLE", True),
        ("in place of a new face", blend, "_COVER_FEATHER", False),
    ],
)
def test_what_changes_the_fade(level: str, module: ModuleType, name: str, changes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _covered(LEVELS[level][0]())
    monkeypatch.setattr(module, name, 0.9)
    assert (plain != _covered(LEVELS[level][0]())).any() == changes
