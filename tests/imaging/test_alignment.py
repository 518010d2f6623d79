"""Crops lie where they should, and lead back."""

import cv2
import numpy as np
import pytest

from deid.compositing import blend
from deid.core.types import Detection, Image
from deid.imaging import alignment, geometry, template


def _smooth(height: int, width: int, seed: int = 0) -> Image:
    """An image without fine detail, on which resampling costs little."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height // 16 + 2, width // 16 + 2, 3)).astype(np.float32)
    return np.clip(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def _similarity(angle_deg: float, scale: float, centre: tuple[float, float]) -> np.ndarray:
    """From the photo to the crop: ``centre`` of the photo goes to the crop's middle."""
    a = np.deg2rad(angle_deg)
    linear = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.column_stack([linear, np.array([63.5, 63.5]) - linear @ centre])


def test_landmarks_land_on_the_template() -> None:
    back = geometry.invert(_similarity(25, 0.8, (150, 120)))
    landmarks = geometry.apply(back, template.TEMPLATE)
    detection = Detection(np.array([100.0, 70, 200, 190]), 1.0, landmarks)
    face = alignment.align(_smooth(300, 300), detection)
    assert face.crop.shape == (128, 128, 3)
    np.testing.assert_allclose(geometry.apply(face.matrix, landmarks), template.TEMPLATE, atol=1e-6)


def test_box_without_landmarks_gets_an_upright_crop_around_it() -> None:
    detection = Detection(np.array([100.0, 80, 160, 155]))
    matrix = alignment.align_matrix(alignment.landmarks_of(detection))
    assert matrix[0, 1] == pytest.approx(0, abs=0.02)
    corners = geometry.apply(matrix, np.array([[100.0, 80], [160, 155]]))
    assert (corners > 0).all()
    assert (corners < 128).all()
    centre = geometry.apply(matrix, np.array([130.0, 117.5]))
    np.testing.assert_allclose(centre, [64, 70], atol=6)


def test_warp_reads_the_pixel_that_the_matrix_says() -> None:
    """A bright dot at a known place of the photo lies at the transformed place of the crop."""
    matrix = _similarity(15, 0.9, (90, 75))
    image = np.zeros((160, 200, 3), np.uint8)
    image[70:75, 100:105] = 255
    crop = alignment.warp(image, matrix)[..., 0].astype(float)
    ys, xs = np.mgrid[:128, :128]
    found = np.array([(xs * crop).sum(), (ys * crop).sum()]) / crop.sum()
    np.testing.assert_allclose(found, geometry.apply(matrix, np.array([102.0, 72.0])), atol=0.1)


@pytest.mark.parametrize("scale", [0.45, 0.31, 0.22, 0.1, 0.06])
def test_strong_shrinking_keeps_its_place(scale: float) -> None:
    """The path that averages first puts a dot where the direct path would."""
    matrix = _similarity(-10, scale, (700, 650))
    image = np.zeros((1300, 1400, 3), np.uint8)
    size = round(4 / scale)
    y, x = 600, 745
    image[y : y + size, x : x + size] = 255
    crop = alignment.warp(image, matrix)[..., 0].astype(float)
    ys, xs = np.mgrid[:128, :128]
    found = np.array([(xs * crop).sum(), (ys * crop).sum()]) / crop.sum()
    centre = np.array([x + (size - 1) / 2, y + (size - 1) / 2])
    np.testing.assert_allclose(found, geometry.apply(matrix, centre), atol=0.15)


def test_strong_shrinking_averages_fine_texture() -> None:
    """One-pixel stripes become grey; picked pixel by pixel they would become black and white bands."""
    image = np.zeros((1280, 1280, 3), np.uint8)
    image[:, ::2] = 255
    crop = alignment.warp(image, _similarity(0, 0.11, (640, 640)))
    assert abs(float(crop[20:-20, 20:-20].mean()) - 127.5) < 3
    assert crop[20:-20, 20:-20].std() < 20


def test_outside_the_photo_the_border_is_repeated() -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    image[:, :25] = (10, 20, 30)
    image[:, 25:] = (200, 210, 220)
    crop = alignment.warp(image, _similarity(0, 1.0, (25, 25)))
    np.testing.assert_array_equal(crop[0, 0], (10, 20, 30))
    np.testing.assert_array_equal(crop[-1, -1], (200, 210, 220))


@pytest.mark.parametrize("scale", [0.02, 1.0, 40.0])
def test_a_crop_far_outside_the_photo_is_still_a_crop(scale: float) -> None:
    crop = alignment.warp(_smooth(40, 60), _similarity(0, scale, (5000, -5000)))
    assert crop.shape == (128, 128, 3)


@pytest.mark.parametrize(("angle", "scale"), [(0, 1.0), (20, 1.3), (-35, 0.8), (90, 2.0)])
def test_warp_then_paste_gives_the_photo_back(angle: float, scale: float) -> None:
    image = _smooth(260, 280)
    matrix = _similarity(angle, scale, (140, 130))
    mask = np.ones((128, 128), np.float32)
    out, touched = blend.paste(image, alignment.warp(image, matrix), matrix, mask)
    inner = cv2.erode(touched.astype(np.uint8), np.ones((7, 7))) > 0
    assert inner.sum() > 500
    assert np.abs(out.astype(int) - image)[inner].max() <= 6
    np.testing.assert_array_equal(out[~touched], image[~touched])


@pytest.mark.parametrize(("narrow", "profile"), [(1.0, False), (0.7, False), (0.5, True), (0.2, True)])
def test_a_face_from_the_side_has_its_eyes_near_each_other(narrow: float, profile: bool) -> None:
    points = (template.TEMPLATE - template.TEMPLATE.mean(axis=0)) * [narrow, 1.0] + 100
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    box = np.array([0.0, 0.0, 200.0, 200.0])
    assert alignment.is_profile(Detection(box, 1.0, points)) == profile
    assert alignment.is_profile(Detection(box, 1.0, points @ turn.T * 0.3)) == profile
    assert not alignment.is_profile(Detection(box, 1.0, None))
