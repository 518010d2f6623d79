"""A few of the videos that `tests/fuzz/videos.py` draws, and whether its check can fail."""

from pathlib import Path

import pytest

from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.detection.refine import FaceRefiner
from deid.video.looks import build_search
from deid.video.search import Search
from tests.fuzz import videos

#: Of a video in which everything moves, a small face that the fastest detector does not see.
_ONCE_EXPOSED = (67,)


@pytest.fixture(scope="module")
def photos(data_folder: Path) -> list[Image]:
    return videos.portraits(data_folder / "lfw-deepfunneled.tar", 200)


def test_no_face_that_comes_and_goes_is_exposed(photos: list[Image]) -> None:
    looks, refiner, options = build_search(Options()), FaceRefiner(), Options()
    drawn = {seed: videos.draw(seed, photos) for seed in (*range(6), *_ONCE_EXPOSED)}
    assert sum(map(len, (faces for video in drawn.values() for faces in video.faces))) > 20
    assert {seed: videos.exposed(video, looks, refiner, options) for seed, video in drawn.items()} == {seed: [] for seed in drawn}


def test_the_check_sees_what_is_exposed(photos: list[Image]) -> None:
    class Blind:
        name = "blind"

        def detect(self, image: Image) -> list[Detection]:
            return []

    video = videos.draw(0, photos)
    bare = videos.exposed(video, Search([Blind()]), FaceRefiner(), Options())
    assert len(bare) == sum(map(len, video.faces)) > 0
