"""Photos whose people lie or hang: their faces are seen before, and found in their place after."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.check.judges import Judges
from deid.check.run import check
from deid.core.types import Detection, Image
from deid.detection.views import turn, turned_by
from deid.imaging.geometry import box_to_slices

Write = Callable[[str, dict[str, Image]], Path]
DEGREES = (90, 180, 270, 135, -60)


@pytest.fixture(scope="module")
def judges() -> Judges:
    """The usual detectors. Recognisers are not asked."""
    return Judges(Judges.of().detectors, ())


@pytest.fixture
def turned(hopper: Image) -> dict[str, Image]:
    """The officer at several turns."""
    upright = PillowImage.fromarray(hopper)
    return {f"officer_{degrees}.png": np.asarray(upright.rotate(degrees, expand=True)) for degrees in DEGREES}


@pytest.fixture
def covered(turned: dict[str, Image], hopper: Image, officer: Detection) -> dict[str, Image]:
    """The same, with one colour over each face."""
    out = {}
    for (name, image), degrees in zip(turned.items(), DEGREES, strict=True):
        box = turned_by(officer, turn(hopper, degrees)[1]).box_xyxy
        out[name] = image.copy()
        out[name][box_to_slices(box, image.shape[:2])] = 90
    return out


def test_untouched_copies_fail(write: Write, turned: dict[str, Image], judges: Judges) -> None:
    report = check(write("before", turned), write("after", turned), judges)
    assert [file.counts.exposed for file in report.files] == [1] * len(turned)
    assert not report.passed
    assert report.counts.found == report.counts.faces


def test_covers_pass(write: Write, turned: dict[str, Image], covered: dict[str, Image], judges: Judges) -> None:
    report = check(write("before", turned), write("after", covered), judges)
    assert (report.counts.faces, report.counts.exposed) == (len(turned), 0)
    assert report.passed, report.reasons


def test_one_who_lies_beside_one_who_stands_is_seen(write: Write, couple: Image, hopper: Image, woman: Detection, judges: Judges) -> None:
    photo = couple.copy()
    photo[:, 300:] = 0
    photo[:256, 300:] = np.rot90(hopper)[:, : photo.shape[1] - 300]
    only_her = photo.copy()
    only_her[box_to_slices(woman.box_xyxy, photo.shape[:2])] = 90
    report = check(write("before", {"a.png": photo}), write("after", {"a.png": only_her}), judges)
    assert (report.counts.faces, report.counts.exposed, report.passed) == (2, 1, False)


def test_one_detector_alone_searches_upright(judges: Judges) -> None:
    assert judges.turned is not None
    assert Judges(judges.detectors[:1], ()).turned is None
