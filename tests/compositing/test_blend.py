"""Masks hold what they must, and nothing outside them changes."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing import blend
from deid.core.types import Image
from deid.editing.portraits import Portraits
from deid.imaging import geometry
from deid.imaging.alignment import at_photo_scale
from deid.imaging.template import TEMPLATE


def _noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _mean_face_points() -> np.ndarray:
    """68 landmarks of a plain face in the crop."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.column_stack([64 + 36 * np.cos(angle), 62 + 50 * np.sin(angle)])
    brows = np.column_stack([np.linspace(36, 92, 10), np.full(10, 44.0)])
    nose = np.column_stack([np.full(9, 64.0), np.linspace(52, 82, 9)])
    eyes = np.concatenate([TEMPLATE[[0]] + np.zeros((6, 2)), TEMPLATE[[1]] + np.zeros((6, 2))])
    mouth = np.column_stack([np.linspace(49, 79, 20), np.full(20, 96.5)])
    return np.concatenate([jaw, brows, nose, eyes, mouth])


@pytest.mark.parametrize("points", [None, _mean_face_points()], ids=["mean face", "landmarks"])
def test_face_mask_holds_the_features_and_ends_before_the_border(points: np.ndarray | None) -> None:
    mask = blend.face_mask(points)
    assert mask.shape == (128, 128)
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    for x, y in TEMPLATE.round().astype(int):
        assert mask[y, x] > 0.7, (x, y)
    assert mask[62:70, 60:68].min() > 0.95
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert border.max() == 0


def test_face_mask_fades() -> None:
    mask = blend.face_mask(_mean_face_points())
    steps = max(np.abs(np.diff(mask, axis=0)).max(), np.abs(np.diff(mask, axis=1)).max())
    assert steps < 0.15


def test_face_mask_holds_the_features_whatever_the_landmarks_say() -> None:
    mask = blend.face_mask(np.full((68, 2), 5.0))
    assert mask[66:86, 60:69].min() > 0.9
    for x, y in TEMPLATE.round().astype(int):
        assert mask[y, x] > 0.1, (x, y)


def _face_in_a_hat() -> Image:
    """Skin, with a blue hat down to the brows and a badge of skin's colour on it."""
    crop = np.full((128, 128, 3), (200, 150, 120), np.uint8)
    crop[:40] = (30, 40, 120)
    crop[10:18, 60:68] = (200, 150, 120)
    return crop


def test_face_mask_leaves_a_hat_as_it_is() -> None:
    points, hat = _mean_face_points(), _face_in_a_hat()
    whole, bare = blend.face_mask(points), blend.face_mask(points, crop=hat)
    assert whole[28:36, 50:78].min() > 0.5
    assert bare[:36].max() < 0.05
    np.testing.assert_allclose(bare[52:], whole[52:], atol=1e-5)


@pytest.mark.parametrize("darker", [38, 90])
def test_a_sideburn_of_a_portrait_is_no_skin(darker: int) -> None:
    """Even one that is little darker than the face: on another skin it is a mark."""
    points, face = _mean_face_points(), np.full((128, 128, 3), (200, 150, 120), np.uint8)
    face[20:62, 96:108] -= np.uint8(darker)
    clear = blend.clear_of_hair(points, face)
    assert (clear[30:55, 97:101] < 0.1).all()
    assert (clear[90:100, 50:78] > 0.9).all()
    assert (blend.clear_of_hair(points, np.full_like(face, 150))[30:50, 50:78] > 0.9).all()


def test_face_mask_holds_a_bare_forehead() -> None:
    points, skin = _mean_face_points(), np.full((128, 128, 3), (200, 150, 120), np.uint8)
    shaded = np.clip(skin + np.linspace(-15, 15, 128)[None, :, None], 0, 255).astype(np.uint8)
    np.testing.assert_allclose(blend.face_mask(points, crop=shaded), blend.face_mask(points), atol=1e-5)


@pytest.mark.parametrize("shift", [-20, 10, 25, 60])
def test_eyes_are_no_forehead_wherever_the_landmarks_lie(shift: int) -> None:
    """Sunglasses are not skin, and stay in the mask."""
    crop = np.full((128, 128, 3), (200, 150, 120), np.uint8)
    crop[44:62] = 10
    points = _mean_face_points() + np.array([0, shift])
    whole, bare = blend.face_mask(points), blend.face_mask(points, crop=crop)
    for x, y in TEMPLATE.round().astype(int):
        assert bare[y, x] == pytest.approx(whole[y, x], abs=0.01), (x, y)


def test_a_hat_does_not_darken_the_face_under_it() -> None:
    hat, points = _face_in_a_hat(), _mean_face_points()
    skin = np.full_like(hat, (200, 150, 120))
    matched = blend.match_colour(skin, hat, blend.face_mask(points, crop=hat)).astype(int)
    assert np.abs(matched - skin)[48:].max() < 15


@pytest.mark.parametrize("margin", [0.0, 0.02, 0.05, 0.1, 0.15, 0.5, 2.0])
@pytest.mark.parametrize(("w", "h"), [(8, 8), (13, 29), (100, 80), (31, 200)])
def test_box_mask_covers_the_whole_box(margin: float, w: int, h: int) -> None:
    """The box itself, rounded outward, is covered to its corners."""
    for offset in (0.0, 0.3, 0.5, 0.8):
        box = np.array([50 + offset, 60 + offset / 2, 50 + offset + w, 60 + offset / 2 + h])
        wide = geometry.expand_box(box, 1 + 2 * margin)
        x, y = np.floor(wide[:2]).astype(int)
        right, bottom = np.ceil(wide[2:]).astype(int)
        mask = blend.box_mask((bottom - y, right - x), margin)
        assert mask.min() >= 0
        assert mask.max() == 1
        rows = slice(int(np.floor(box[1])) - y, int(np.ceil(box[3])) - y)
        columns = slice(int(np.floor(box[0])) - x, int(np.ceil(box[2])) - x)
        assert mask[rows, columns].min() == 1, (box, margin)


def test_paste_changes_nothing_outside_the_mask() -> None:
    image = _noise(200, 220)
    rng = np.random.default_rng(1)
    mask = blend.face_mask(None)
    for _ in range(30):
        angle, scale = rng.uniform(-np.pi, np.pi), rng.uniform(0.3, 6)
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.column_stack([linear, np.array([64, 64]) - linear @ rng.uniform(-20, 240, 2)])
        before = image.copy()
        out, touched = blend.paste(image, _noise(128, 128, 2), matrix, mask)
        np.testing.assert_array_equal(image, before)
        np.testing.assert_array_equal(out[~touched], image[~touched])
        # What is touched lies where the mask does.
        ys, xs = np.nonzero(touched)
        inside = geometry.apply(matrix, np.column_stack([xs, ys]))
        assert ((inside > -1 - scale) & (inside < 128 + scale)).all()


BORDERS = {
    "left": (0, 100),
    "right": (219, 100),
    "top": (110, 0),
    "bottom": (110, 199),
    "top left": (0, 0),
    "bottom right": (219, 199),
}


@pytest.mark.parametrize("centre", BORDERS.values(), ids=BORDERS.keys())
def test_paste_over_a_border_matches_the_paste_on_a_larger_photo(centre: tuple[int, int]) -> None:
    image = _noise(200, 220)
    pad = 100
    large = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    crop, mask = _noise(128, 128, 3), blend.face_mask(None)
    matrix = np.array([[0.9, -0.3, 0], [0.3, 0.9, 0]])
    matrix[:, 2] = np.array([64, 64]) - matrix[:, :2] @ centre
    out, touched = blend.paste(image, crop, matrix, mask)
    shifted = matrix.copy()
    shifted[:, 2] -= matrix[:, :2] @ [pad, pad]
    whole, whole_touched = blend.paste(large, crop, shifted, mask)
    np.testing.assert_array_equal(touched, whole_touched[pad:-pad, pad:-pad])
    assert np.abs(out.astype(int) - whole[pad:-pad, pad:-pad]).max() <= 1
    assert touched.any()


@pytest.mark.parametrize("centre", [(-500, 50), (50, -500), (900, 900)])
def test_paste_outside_is_no_paste(centre: tuple[int, int]) -> None:
    image = _noise(60, 70)
    matrix = np.array([[1.0, 0, 64 - centre[0]], [0, 1, 64 - centre[1]]])
    out, touched = blend.paste(image, _noise(128, 128), matrix, np.ones((128, 128), np.float32))
    np.testing.assert_array_equal(out, image)
    assert not touched.any()


def test_paste_with_an_integer_shift_copies_pixels() -> None:
    image, crop = _noise(60, 70), _noise(20, 30, 1)
    out, touched = blend.paste(image, crop, np.array([[1.0, 0, -15], [0, 1.0, -25]]), np.ones((20, 30), np.float32))
    np.testing.assert_array_equal(out[25:45, 15:45], crop)
    assert touched.sum() == 20 * 30


def test_match_colour_meets_the_source_at_the_edge() -> None:
    """An edit that is the source in another light gets the source's light back."""
    source = np.clip(_noise(128, 128, 4) // 4 + 90, 0, 255).astype(np.uint8)
    edited = np.clip(source + np.array([40, -20, 10]), 0, 255).astype(np.uint8)
    mask = blend.face_mask(None)
    matched = blend.match_colour(edited, source, mask)
    edge = (mask > 0.05) & (mask < 0.6)
    assert np.abs(edited.astype(int) - source)[edge].mean() > 20
    assert np.abs(matched.astype(int) - source)[edge].mean() < 3
    assert np.abs(matched.astype(int) - source)[mask > 0.9].mean() < 4


def test_match_colour_brings_no_features_back() -> None:
    """A face painted over in one colour does not show through again."""
    source = np.full((128, 128, 3), 150, np.uint8)
    source[52:60, 40:52] = 20
    source[52:60, 76:88] = 20
    flat = np.full_like(source, 150)
    matched = blend.match_colour(flat, source, blend.face_mask(None)).astype(int)
    assert np.ptp(matched[45:70, 35:95]) < 12


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_match_colour_without_an_edge_changes_nothing(value: float) -> None:
    edited = _noise(128, 128)
    np.testing.assert_array_equal(blend.match_colour(edited, _noise(128, 128, 9), np.full((128, 128), value, np.float32)), edited)


def test_blend_crop_mixes_by_the_mask() -> None:
    edited, source = np.full((2, 2, 3), 200, np.uint8), np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[0, 0.25], [0.5, 1]], np.float32)
    np.testing.assert_array_equal(blend.blend_crop(edited, source, mask)[..., 0], [[100, 125], [150, 200]])


def _texture(sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 40, (128, 128, 3)).astype(np.float32)
    return np.clip(128 + cv2.GaussianBlur(noise, (0, 0), sigma) * sigma, 0, 255).astype(np.uint8)


def test_detail_of_a_soft_edit_grows_to_that_of_the_source() -> None:
    soft, sharp, mask = _texture(2.0), _texture(1.0), blend.face_mask(None)
    inside = mask > 0.5

    def detail(image: np.ndarray) -> float:
        return float(np.diff(image.astype(float), axis=0)[inside[1:]].std())

    matched = blend.match_detail(soft, sharp, mask)
    assert detail(soft) < detail(matched) < 1.2 * detail(sharp)
    assert abs(matched.mean() - soft.mean()) < 1.0


def test_detail_is_never_taken_away() -> None:
    soft, sharp, mask = _texture(2.0), _texture(1.0), blend.face_mask(None)
    np.testing.assert_array_equal(blend.match_detail(sharp, soft, mask), sharp)
    np.testing.assert_array_equal(blend.match_detail(soft, sharp, np.zeros_like(mask)), soft)


@pytest.mark.parametrize("eyes_px", [25, 42, 60, 100])
def test_face_that_is_pasted_back_keeps_its_detail(eyes_px: float) -> None:
    """The way to the crop and back takes none: else each new face is softer than its photo."""
    photo = cv2.GaussianBlur(_noise(500, 500), (0, 0), 0.8)
    scale = 36 / eyes_px
    matrix = np.array([[scale, 0.0, 64 - scale * 250.3], [0.0, scale, 64 - scale * 249.6]])
    large = at_photo_scale(photo, matrix)
    mask = np.pad(np.ones((96, 96), np.float32), 16)
    times = large.shape[0] / 128
    out, touched = blend.paste(photo, large, geometry.enlarged(matrix, times), cv2.resize(mask, large.shape[:2]))
    fine = [x.astype(np.float32) - cv2.GaussianBlur(x.astype(np.float32), (0, 0), 1.5) for x in (photo, out)]
    before, after = (float(f[touched].std()) for f in fine)
    assert after / before == pytest.approx(1.0, abs=0.08)


def test_strands_on_a_forehead_are_hair_and_wrinkles_are_not(bank: Portraits) -> None:
    """Drawn on a portrait with a bare forehead: tips that hang together with its hair, and a line across."""

    def shown(picture: Image) -> NDArray[np.float32]:
        return blend.clear_of_hair(points, picture)

    for number in range(bank.n_pictures):
        points, crop = bank.points[number], blend.shrunk(bank.picture(number))
        bare = shown(crop)
        if (bare[26:34, 50:78] > 0.9).all() and (bare[:8, 50:78] < 0.5).all():
            break
    with_strands, with_wrinkle = crop.copy(), crop.copy()
    for x in (54, 62, 70):
        top = int(np.flatnonzero(bare[:60, x] > 0.5)[0])
        cv2.line(with_strands, (x, top - 2), (x, 33), (40, 30, 25), 1)
    cv2.line(with_wrinkle, (52, 30), (76, 30), (40, 30, 25), 1)
    assert all(shown(with_strands)[28:32, x].max() < 0.5 for x in (54, 62, 70))
    assert shown(with_wrinkle)[27:34, 54:74].mean() > 0.9
