from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.core.types import Detection
from deid.imaging.alignment import align
from deid.imaging.template import TEMPLATE
from evaluation.close import close_look, regions
from evaluation.faces import Face
from evaluation.features import Features, load_wide
from evaluation.masks import edit_mask
from evaluation.realism import close_lines


def _photo(scale: float) -> tuple[NDArray[np.uint8], Detection]:
    """Grain all over, and where a face would be when the template is enlarged."""
    side = round(160 * scale)
    image = np.random.default_rng(0).integers(100, 156, (side, side, 3)).astype(np.uint8)
    points = (TEMPLATE + 16) * scale + (scale - 1) / 2
    return image, Detection(np.array([40.0, 30, 120, 130]) * scale, landmarks=points)


@pytest.mark.parametrize("scale", [1.0, 2.5, 9.0])
def test_a_blurred_face_has_less_detail_than_its_surroundings_at_any_scale(scale: float) -> None:
    image, face = _photo(scale)
    aligned = align(image, face)
    inside, _ = regions(edit_mask(aligned.crop), aligned.matrix, image.shape[:2])
    soft = np.where(inside[..., None], cv2.GaussianBlur(image, (0, 0), 1.0 * max(1, scale / 4)), image).astype(np.uint8)
    assert close_look(image, image, aligned).detail == 1.0
    assert close_look(image, soft, aligned).detail < 0.5


def test_crops_are_cut_in_the_same_place() -> None:
    image, face = _photo(2.0)
    image[:, ::8] = 0
    found = close_look(image, image, align(image, face))
    assert found.before.shape == (256, 256, 3)
    assert (found.before == found.after).all()
    # At twice the template's scale the crop is the photo, moved by 32 px.
    assert np.abs(found.before[10:246, 10:246].astype(int) - image[42:278, 42:278]).mean() < 12


def test_a_neighbourhood_has_nothing_of_the_face() -> None:
    mask = np.zeros((128, 128), np.float32)
    cv2.circle(mask, (64, 64), 30, 1.0, -1)
    inside, around = regions(cv2.GaussianBlur(mask, (0, 0), 3), np.eye(2, 3), (128, 128))
    assert inside[64, 64]
    assert not around[64, 64]
    assert around[64, 64 + 30 + 15]
    assert not around[64, 127]
    assert not (inside & around).any()


def test_large_faces_alone_are_looked_at(make_face: Callable[..., Face]) -> None:
    image, face = _photo(1.0)
    look = close_look(image, 255 - image, align(image, face))
    faces = [make_face(i, 0, close=look if i < 30 else None) for i in range(40)]
    means = Features("means", lambda crops: crops.mean(axis=(1, 2)) + np.random.default_rng(len(crops)).normal(0, 1, (len(crops), 3)))
    lines = {m.name: m for m in close_lines(faces, 0, lambda: means)}
    assert lines["KID x 1000 at 256 px"].n == 30
    assert lines["detail inside the face fits"].n == 30
    assert lines["detail inside the face fits"].value == 1.0
    few = {m.name: m for m in close_lines(faces[:3], 0)}
    assert np.isnan(few["KID x 1000 at 256 px"].value)
    assert [m.n for m in close_lines([], 0)] == [0, 0, 0]


def test_every_pixel_of_a_wide_crop_is_seen() -> None:
    features = load_wide()
    flat = np.full((1, 256, 256, 3), 127, np.uint8)
    still = features.compute(flat)
    for y, x in ((2, 2), (128, 128), (253, 253), (2, 253)):
        spot = flat.copy()
        spot[0, max(y - 6, 0) : y + 6, max(x - 6, 0) : x + 6] = 255
        assert np.abs(features.compute(spot) - still).max() > 1e-3
