"""The filters hide what they cover, as strongly on a near face as on a far one."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.anonymizer.models import Models
from deid.core.errors import ConfigError
from deid.core.options import Options
from deid.core.types import AlignedFace, Detection, Image
from deid.editing import filters
from deid.editing.filters import FilterEditor

IDENTITY = np.array([[1.0, 0, 0], [0, 1.0, 0]])
NO_SETS = np.zeros((1, 13), np.float32)


def _noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _face(crop: Image, size: float | None = None) -> AlignedFace:
    h, w = crop.shape[:2]
    side = size or min(h, w)
    return AlignedFace(crop, IDENTITY, Detection(np.array([0.0, 0, side, side])))


@pytest.mark.parametrize("sigma", [1.0, 3.0, 9.0, 30.0])
def test_blur_is_a_gaussian_blur(sigma: float) -> None:
    """The short cut through a smaller copy differs little from the plain way."""
    image = cv2.GaussianBlur(_noise(160, 200), (0, 0), 3)
    plain = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    difference = np.abs(filters.blur(image, sigma).astype(int) - plain)[20:-20, 20:-20]
    assert difference.mean() < 2.5


@pytest.mark.parametrize(("h", "w"), [(1, 1), (1, 40), (7, 3), (50, 60)])
@pytest.mark.parametrize("sigma", [0.1, 2.0, 500.0])
def test_blur_of_any_size(h: int, w: int, sigma: float) -> None:
    assert filters.blur(_noise(h, w), sigma).shape == (h, w, 3)


@pytest.mark.parametrize(("h", "w", "cells", "across"), [(80, 80, 8, (8, 8)), (80, 40, 8, (8, 4)), (33, 90, 9, (3, 9)), (5, 5, 1, (1, 1))])
def test_pixelate_has_so_many_cells(h: int, w: int, cells: int, across: tuple[int, int]) -> None:
    mosaic = filters.pixelate(_noise(h, w), cells)
    assert mosaic.shape == (h, w, 3)
    assert len(np.unique(mosaic.reshape(-1, 3), axis=0)) == across[0] * across[1]


def test_pixelate_keeps_the_mean_of_each_cell() -> None:
    image = _noise(80, 80)
    mosaic = filters.pixelate(image, 8)
    cells = image.reshape(8, 10, 8, 10, 3).mean(axis=(1, 3))
    assert np.abs(mosaic[5::10, 5::10] - cells).max() <= 1


def test_solid_leaves_one_colour() -> None:
    crop = _noise(9, 7)
    assert (filters.solid(crop, (1, 2, 3)) == (1, 2, 3)).all()
    mean = filters.solid(crop)
    assert len(np.unique(mean.reshape(-1, 3), axis=0)) == 1
    assert np.abs(mean[0, 0] - crop.reshape(-1, 3).mean(axis=0)).max() <= 0.5


def test_strength_is_relative_to_the_face() -> None:
    """A face at twice the size blurs to the same picture at twice the size."""
    small = cv2.GaussianBlur(_noise(60, 60), (0, 0), 2)
    large = cv2.resize(small, (120, 120), interpolation=cv2.INTER_CUBIC)
    for name in ("blur", "pixelate"):
        editor = FilterEditor(name, Options())
        near = editor.edit(_face(large), NO_SETS)[0].crop
        far = editor.edit(_face(small), NO_SETS)[0].crop
        difference = np.abs(cv2.resize(near, (60, 60), interpolation=cv2.INTER_AREA).astype(int) - far)
        assert difference.mean() < 4, name


@pytest.mark.parametrize("name", ["blur", "pixelate"])
def test_more_strength_leaves_less(name: str) -> None:
    editor = FilterEditor(name, Options())
    left = [editor.edit(_face(_noise(100, 100)), NO_SETS, s)[0].crop.std() for s in (0.5, 1.0, 1.5, 2.25)]
    assert left == sorted(left, reverse=True)
    assert left[-1] < left[0] * 0.8


def test_image_is_put_over_the_face(tmp_path: Path) -> None:
    PillowImage.new("RGB", (5, 5), (9, 8, 7)).save(tmp_path / "cover.png")
    editor = Models(Options(method="image", cover_image=str(tmp_path / "cover.png"))).filter("image")
    assert (editor.edit(_face(_noise(30, 20)), NO_SETS)[0].crop == (9, 8, 7)).all()


def test_image_without_a_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match="cover_image"):
        FilterEditor("image", Options())


def test_unknown_filter_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="unknown filter 'nope'; valid are blur, image, pixelate, solid"):
        FilterEditor("nope", Options())
