"""What became of each face, with detectors that give out prepared answers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from deid.check.faces import core_change
from deid.check.folders import FilePair, ImagePair
from deid.core.types import Detection, Image
from evaluation.faces import Observer, surroundings

POINTS = np.array([[40.0, 45.0], [60.0, 45.0], [50.0, 56.0], [42.0, 66.0], [58.0, 66.0]])


@dataclass
class Says:
    """A detector whose answer is a function of the image."""

    name: str
    answer: Callable[[Image], list[Detection]]

    def detect(self, image: Image) -> list[Detection]:
        return self.answer(image)


def _detection(shift: float = 0.0) -> Detection:
    return Detection(np.array([30.0, 25.0, 70.0, 80.0]) + shift, 0.9, POINTS + shift, "fake")


def _pair(before: Image, after: Image | None, lossless: bool = True) -> ImagePair:
    return ImagePair(FilePair("a.png", "a", Path("a.png"), None), before, after, lossless)


@pytest.fixture
def photo() -> Image:
    return np.random.default_rng(0).integers(60, 255, (120, 110, 3)).astype(np.uint8)


def _finder(name: str = "one", shift: float = 0.0) -> Says:
    """Finds the face where its middle is not black."""
    return Says(name, lambda image: [_detection(shift)] if image[45:65, 40:60].any() else [])


def test_a_face_that_one_detector_finds_is_accounted_for(photo: Image) -> None:
    blind = Says("blind", lambda image: [])
    result = Observer([blind, _finder()]).observe([_pair(photo, photo)])[0]
    assert len(result.faces) == 1
    assert [len(t.iou_before) for t in result.tallies] == [0, 1]
    assert result.faces[0].found_after
    assert result.faces[0].change == 0.0


def test_two_detectors_that_agree_give_one_face(photo: Image) -> None:
    result = Observer([_finder("one"), _finder("two", 2.0)]).observe([_pair(photo, photo)])[0]
    assert len(result.faces) == 1


def test_a_covered_face_is_cut_out_where_it_was(photo: Image) -> None:
    covered = photo.copy()
    covered[20:90, 20:80] = 0
    result = Observer([_finder(), _finder("two")]).observe([_pair(photo, covered)])[0]
    face = result.faces[0]
    assert not face.found_after
    assert (face.crop_after[56, 64] == 0).all()
    assert face.change > 50
    assert result.tallies[0].iou_before.tolist() == [0.0]
    assert np.isposinf(result.tallies[0].error).all()
    assert result.outside_changed == 0.0


@pytest.mark.parametrize("lossless", [True, False])
def test_a_missing_output_is_black_and_found_by_nobody(photo: Image, lossless: bool) -> None:
    result = Observer([_finder(), _finder("two")]).observe([_pair(photo, None, lossless), None])[0]
    face = result.faces[0]
    assert not face.has_output
    assert not face.found_after
    assert not face.crop_after.any()
    assert np.isnan(result.outside_change)


def test_one_pixel_far_from_the_face_is_noticed(photo: Image) -> None:
    touched = photo.copy()
    touched[0, 0, 0] ^= 1
    result = Observer([_finder(), _finder("two")]).observe([_pair(photo, touched)])[0]
    assert 0 < result.outside_changed < 0.01


def test_photos_of_several_sizes_keep_their_order(photo: Image) -> None:
    pairs = [_pair(photo, photo), _pair(photo[:100], photo[:100]), None, _pair(photo, photo)]
    ticks: list[int] = []
    results = Observer([_finder(), _finder("two")]).observe(pairs, lambda: ticks.append(1))
    assert len(results) == 3
    assert len(ticks) == 4


def test_change_of_a_box_outside_the_photo_is_zero(photo: Image) -> None:
    assert core_change(photo, 255 - photo, np.array([300.0, 300, 310, 310])) == 0.0


def test_surroundings_show_more_and_hide_the_face(photo: Image) -> None:
    wide = surroundings(photo, _detection())
    assert (wide[60:68, 60:68] == 0).all()
    assert wide[:8].any()
