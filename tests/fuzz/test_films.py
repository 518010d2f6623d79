"""A few of the films that `tests/fuzz/films.py` draws, and whether its check can fail."""

from pathlib import Path

import pytest

from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.detection.refine import FaceRefiner
from deid.video.looks import build_search
from deid.video.search import Search
from tests.fuzz import films


@pytest.fixture(scope="module")
def photos(data_folder: Path) -> list[Image]:
    return films.portraits(data_folder / "lfw-deepfunneled.tar", 200)


def test_no_face_that_comes_and_goes_is_exposed(photos: list[Image]) -> None:
    looks, refiner, options = build_search(Options()), FaceRefiner(), Options()
    drawn = {seed: films.draw(seed, photos) for seed in range(12)}
    assert sum(map(len, (faces for film in drawn.values() for faces in film.faces))) > 20
    assert {seed: films.exposed(film, looks, refiner, options) for seed, film in drawn.items()} == {seed: [] for seed in drawn}


def test_the_check_sees_what_is_exposed(photos: list[Image]) -> None:
    class Blind:
        name = "blind"

        def detect(self, image: Image) -> list[Detection]:
            return []

    film = films.draw(0, photos)
    bare = films.exposed(film, Search([Blind()]), FaceRefiner(), Options())
    assert len(bare) == sum(map(len, film.faces)) > 0
