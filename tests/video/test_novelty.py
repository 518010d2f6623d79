"""What a frame brings that the last one did not have."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.core.types import Image
from deid.video.novelty import Novelty

_HW = (160, 240)


def _scene(seed: int = 0, size_hw: tuple[int, int] = _HW) -> Image:
    """Soft colours."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (8, 12, 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, size_hw[::-1], interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def _with(image: Image, x: int, y: int, side: int = 24, seed: int = 9) -> Image:
    """A textured square laid over an image."""
    patch = _scene(seed, (side, side))
    out = image.copy()
    out[y : y + side, x : x + side] = 255 - patch
    return out


def _holds(regions: list[tuple[slice, slice]], box: tuple[int, int, int, int]) -> bool:
    return any(c.start or (box[0] >= 0 and box[2] <= c.stop and (r.start or 0) <= box[1] and box[3] <= r.stop) for r, c in regions)


def test_the_first_frame_is_a_new_scene() -> None:
    news = Novelty().of(_scene())
    assert news.cut
    assert news.regions() == [np.s_[:160, :240]]


def test_a_still_scene_brings_nothing() -> None:
    novelty, scene = Novelty(), _scene()
    rng = np.random.default_rng(1)
    novelty.of(scene)
    for _ in range(5):
        news = novelty.of(np.clip(scene + rng.normal(0, 3, (*_HW, 1)), 0, 255).astype(np.uint8))
        assert not news.cut
        assert news.still
        assert news.regions() == []


@pytest.mark.parametrize("side", [20, 40, 80])
def test_what_appears_for_one_frame_is_new(side: int) -> None:
    novelty, scene = Novelty(), _scene()
    novelty.of(scene)
    news = novelty.of(_with(scene, 100, 50, side))
    assert not news.still
    assert _holds(news.regions(), (100, 50, 100 + side, 50 + side))
    assert news.share_of(np.array([100.0, 50, 100 + side, 50 + side])) > 0.5
    # It has gone: what was behind it is new too.
    assert _holds(novelty.of(scene).regions(), (100, 50, 100 + side, 50 + side))
    assert novelty.of(scene).regions() == []


def test_the_camera_moves_and_only_what_appears_is_new() -> None:
    wide, novelty = _scene(2, (160, 320)), Novelty()
    frames = [np.ascontiguousarray(wide[:, 3 * i : 3 * i + 240]) for i in range(8)]
    for frame in frames[:6]:
        last = novelty.of(frame)
    assert last.cells[:, 8:-8].mean() < 0.02
    news = novelty.of(_with(frames[6], 100, 60, 32))
    assert _holds(news.regions(), (100, 60, 132, 92))
    assert news.cells.mean() < 0.15


def test_a_square_that_leaps_is_new_at_every_place() -> None:
    novelty, scene = Novelty(), _scene()
    novelty.of(scene)
    for x in (10, 90, 170):
        assert _holds(novelty.of(_with(scene, x, 60, 40)).regions(), (x, 60, x + 40, 100))


def test_what_is_new_in_a_known_face_is_its_own() -> None:
    novelty, scene = Novelty(), _scene()
    novelty.of(scene)
    news = novelty.of(_with(scene, 100, 50, 24))
    known: NDArray[np.float64] = np.array([88.0, 38, 136, 86])
    assert news.regions([known]) == []


def test_a_cut_is_told_from_a_pan(scripted: type) -> None:
    novelty = Novelty()
    novelty.of(_scene(0))
    assert novelty.of(_scene(5)).cut
    assert not novelty.of(np.roll(_scene(5), 6, axis=1)).cut


def test_a_new_size_is_a_new_scene() -> None:
    novelty = Novelty()
    novelty.of(_scene())
    assert novelty.of(_scene(0, (96, 128))).cut


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 200), (17, 16), (48, 64)], ids=str)
def test_small_frames(size_hw: tuple[int, int]) -> None:
    novelty = Novelty()
    novelty.of(np.zeros((*size_hw, 3), np.uint8))
    news = novelty.of(np.full((*size_hw, 3), 255, np.uint8))
    assert news.regions() in ([np.s_[: size_hw[0], : size_hw[1]]], [np.s_[0 : size_hw[0], 0 : size_hw[1]]])
