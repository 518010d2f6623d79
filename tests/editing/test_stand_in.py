"""What of a subject goes into a stand-in, and what does not."""

import itertools
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing.blend import face_mask, outline
from deid.core.types import AlignedFace, Image, StandIn
from deid.editing.portraits import Portraits
from deid.editing.stand_in import _keep_inside, _lead_away, _placed, shape_for, stand_in
from deid.landmarks.face_points import FacePoints

NUMBERS, SHARES = [3, 40], [0.6, 0.4]
Field = NDArray[np.float32]


@pytest.fixture(params=["woman", "officer"])
def face(request: pytest.FixtureRequest, woman_face: AlignedFace, officer_face: AlignedFace) -> AlignedFace:
    return woman_face if request.param == "woman" else officer_face


def _made(bank: Portraits, face: AlignedFace, numbers: list[int] = NUMBERS, shares: list[float] = SHARES) -> StandIn:
    assert face.large is not None
    assert face.points is not None
    return stand_in(bank, numbers, shares, face.crop, face.large, face.points)


def _scaled(picture: Any, n: int) -> Any:
    way = cv2.INTER_AREA if n < picture.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(picture, (n, n), interpolation=way)


def _inside(made: StandIn) -> NDArray[np.bool_]:
    """(n, n): where it will be shown."""
    shown = ((face_mask(made.points) > 0.5) & (made.visible > 0.5)).astype(np.uint8)
    return np.asarray(cv2.resize(shown, made.face.shape[:2], interpolation=cv2.INTER_NEAREST) > 0)


def _between_lips(made: StandIn, grown: int = 11) -> NDArray[np.bool_]:
    """(n, n): what is inside an open mouth, and a little around it."""
    mask: NDArray[Any] = np.zeros((128, 128), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(made.points[60:68].astype(np.int32)), 1)
    grown_mask = cv2.dilate(mask, np.ones((grown, grown), np.uint8))
    return np.asarray(cv2.resize(grown_mask, made.face.shape[:2], interpolation=cv2.INTER_NEAREST) > 0)


def _eyes(made: StandIn) -> NDArray[np.bool_]:
    """(n, n): eyes and brows, and a little around them."""
    mask: NDArray[Any] = np.zeros((128, 128), np.uint8)
    for part in (made.points[36:42], made.points[42:48], made.points[17:22], made.points[22:27]):
        cv2.fillConvexPoly(mask, cv2.convexHull(part.astype(np.int32)), 1)
    grown = cv2.dilate(mask, np.ones((11, 11), np.uint8))
    return np.asarray(cv2.resize(grown, made.face.shape[:2], interpolation=cv2.INTER_NEAREST) > 0)


def _fine(picture: NDArray[Any], sigma: float = 3.0) -> NDArray[Any]:
    """What is finer than so many pixels of 128."""
    return np.asarray(picture - cv2.GaussianBlur(picture, (0, 0), sigma * picture.shape[0] / 128))


@pytest.mark.parametrize(("sigma", "most"), [(3.0, 1.5), (6.0, 5.0)])
def test_no_fine_detail_of_the_subject_goes_in(sigma: float, most: float, bank: Portraits, face: AlignedFace) -> None:
    """A blur takes the person away, and the stand-in stays as it is but for coarse light, the mean colour of eyes, and an open mouth."""
    assert face.large is not None
    k = face.large.shape[0] / 128
    large = np.asarray(cv2.GaussianBlur(face.large, (0, 0), sigma * k), np.uint8)
    soft = replace(face, crop=np.asarray(cv2.GaussianBlur(face.crop, (0, 0), sigma), np.uint8), large=large)
    plain, blurred = _made(bank, face), _made(bank, soft)
    inside = _inside(plain) & ~_between_lips(plain)
    away = plain.face - blurred.face
    assert np.abs(away[inside]).mean() < most
    assert np.abs(away[inside]).mean() < 0.2 * np.abs(face.large.astype(float) - large)[inside].mean()
    assert _fine(away)[inside & ~_eyes(plain)].std() < 1.0
    np.testing.assert_array_equal(plain.points, blurred.points)


def test_noise_on_the_subject_goes_not_in(bank: Portraits, face: AlignedFace) -> None:
    assert face.large is not None
    rng = np.random.default_rng(0)
    crop, large = (np.clip(p + rng.normal(0, 30, p.shape), 0, 255).astype(np.uint8) for p in (face.crop, face.large))
    plain, noisy = _made(bank, face), _made(bank, replace(face, crop=crop, large=large))
    assert _fine(plain.face - noisy.face)[_inside(plain) & ~_between_lips(plain)].std() < 1.0


def test_detail_is_the_first_portraits_alone(bank: Portraits, face: AlignedFace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another one only shape and tone: brows of two make four."""
    plain = _made(bank, face)
    pictures = {i: bank.picture(i).copy() for i in NUMBERS}
    noise = np.random.default_rng(0).normal(0, 40, pictures[3].shape)

    def with_noise_on(number: int) -> Field:
        shown = {i: np.clip(p + (noise if i == number else 0), 0, 255).astype(np.uint8) for i, p in pictures.items()}
        monkeypatch.setattr(bank, "picture", shown.__getitem__)
        made = _made(bank, face)
        return np.asarray(_fine(made.face - plain.face)[_inside(plain)], np.float32)

    assert with_noise_on(NUMBERS[1]).std() < 1.0
    assert with_noise_on(NUMBERS[0]).std() > 10


def test_landmarks_lie_where_they_are_said_to_be(bank: Portraits, face: AlignedFace) -> None:
    for numbers in ([3, 40], [21, 3], [100]):
        made = _made(bank, face, numbers, [0.6, 0.4][: len(numbers)] if len(numbers) > 1 else [1.0])
        small = np.clip(_scaled(made.face, 128), 0, 255).astype(np.uint8)
        away = np.linalg.norm(FacePoints().points(small) - made.points, axis=1)
        assert away[17:].mean() < 2.0
        assert away.mean() < 2.5


def test_outline_is_the_subjects_and_features_are_not(bank: Portraits, face: AlignedFace) -> None:
    made = _made(bank, face)
    assert face.points is not None
    np.testing.assert_array_equal(made.points[:17], face.points[:17])
    moved = np.linalg.norm(made.points[17:] - face.points[17:], axis=1)
    # In the same place, and in another shape: eyes, nose and mouth of somebody else.
    assert 0.7 < moved.mean() < 6.0
    assert np.linalg.norm(made.points[17:].mean(axis=0) - face.points[17:].mean(axis=0)) < 2.0


def test_mouth_has_the_expression_of_the_subject(bank: Portraits, face: AlignedFace) -> None:
    """Corners that hang hang, whatever the portraits do, and lips keep the portraits' form."""
    assert face.points is not None
    hanging, raised = face.points.copy(), face.points.copy()
    for points, by in ((hanging, 3.0), (raised, -3.0)):
        points[[48, 54, 60, 64], 1] += by
        points[[49, 53, 59, 55], 1] += by / 2

    def lift(points: NDArray[np.float64]) -> float:
        return float(points[51, 1] + points[57, 1] - points[48, 1] - points[54, 1]) / 2

    def full(points: NDArray[np.float64]) -> float:
        return float(points[62, 1] - points[51, 1])

    grave, smiling = (_made(bank, replace(face, points=points)).points for points in (hanging, raised))
    assert lift(smiling) - lift(grave) > 0.45 * (lift(raised) - lift(hanging))
    assert abs(full(smiling) - full(grave)) < 1.5


def test_light_follows_the_photo(bank: Portraits, face: AlignedFace) -> None:
    assert face.large is not None
    plain = _made(bank, face)
    inside = _inside(plain)
    dark = _made(bank, replace(face, crop=(face.crop * 0.5).astype(np.uint8), large=(face.large * 0.5).astype(np.uint8)))
    assert 0.4 < np.median(dark.face[inside]) / np.median(plain.face[inside]) < 0.75
    tinted = np.clip(face.crop * (1.0, 0.8, 0.6), 0, 255).astype(np.uint8)
    warm = _made(bank, replace(face, crop=tinted))
    red = plain.face[inside][:, 0] - plain.face[inside][:, 2]
    assert (warm.face[inside][:, 0] - warm.face[inside][:, 2]).mean() > red.mean() + 10


def test_side_light_follows_the_photo(bank: Portraits, face: AlignedFace) -> None:
    def left_to_right(picture: NDArray[Any]) -> float:
        small = _scaled(np.asarray(picture, np.float32), 128)
        return float(small[60:90, 42:58].mean() / small[60:90, 70:86].mean())

    ratios = []
    for ramp in (np.linspace(0.4, 1.2, 128), np.linspace(1.2, 0.4, 128)):
        crop = np.clip(face.crop * ramp[None, :, None], 0, 255).astype(np.uint8)
        ratios.append((left_to_right(crop), left_to_right(_made(bank, replace(face, crop=crop)).face)))
    (photo, made), (turned, made_turned) = ratios
    assert photo < turned
    assert made < made_turned
    assert np.log(made_turned / made) > 0.5 * np.log(turned / photo)


@pytest.mark.parametrize("n", [128, 256, 512])
def test_every_size_gives_the_same_face(n: int, bank: Portraits, face: AlignedFace) -> None:
    made = _made(bank, replace(face, large=_scaled(face.large, n)))
    assert made.face.shape == (n, n, 3)
    small = _made(bank, replace(face, large=_scaled(face.large, 384)))
    away = np.abs(_scaled(made.face, 128) - _scaled(small.face, 128))
    assert away[((face_mask(made.points) > 0.5) & (made.visible > 0.5))].mean() < 1.5
    np.testing.assert_array_equal(made.points, small.points)
    np.testing.assert_array_equal(made.visible, small.visible)


def test_hair_and_background_of_the_portrait_are_not_to_be_shown(bank: Portraits, face: AlignedFace) -> None:
    made = _made(bank, face)
    assert made.visible.shape == (128, 128)
    assert made.visible.min() >= 0
    assert made.visible.max() <= 1
    cheeks_and_nose = made.visible[62:92, 44:84]
    assert cheeks_and_nose.mean() > 0.95
    corners = [made.visible[:12, :12], made.visible[:12, -12:], made.visible[-12:, :12], made.visible[-12:, -12:]]
    assert np.mean(corners) < 0.5


@pytest.mark.parametrize("lids", [slice(36, 42), slice(42, 48)], ids=["right eye", "left eye"])
def test_shut_eye_stays_shut_and_the_other_one_open(lids: slice, bank: Portraits, woman_face: AlignedFace) -> None:
    assert woman_face.points is not None

    def opening(points: NDArray[np.float64], which: slice) -> float:
        eye = points[which]
        return float(np.linalg.norm(eye[1] - eye[5]) + np.linalg.norm(eye[2] - eye[4])) / 2

    shut = woman_face.points.copy()
    shut[lids, 1] = shut[lids, 1].mean() + 0.15 * (shut[lids, 1] - shut[lids, 1].mean())
    other = slice(42, 48) if lids.start == 36 else slice(36, 42)
    plain, closed = _made(bank, woman_face), _made(bank, replace(woman_face, points=shut))
    assert opening(closed.points, lids) < 0.5 * opening(plain.points, lids)
    assert opening(closed.points, other) == pytest.approx(opening(plain.points, other), rel=0.25)


@pytest.mark.parametrize("by", [0.0, 8.0, 14.0])
def test_mouth_opens_as_far_as_the_subjects(by: float, bank: Portraits, officer_face: AlignedFace) -> None:
    assert officer_face.points is not None
    open_mouth = officer_face.points.copy()
    open_mouth[[*range(55, 60), *range(65, 68)], 1] += by
    made = _made(bank, replace(officer_face, points=open_mouth))
    wider = np.linalg.norm(made.points[54] - made.points[48]) / np.linalg.norm(open_mouth[54] - open_mouth[48])
    gap = wider * np.linalg.norm(open_mouth[66] - open_mouth[62])
    assert np.linalg.norm(made.points[66] - made.points[62]) == pytest.approx(gap, abs=2.0)


@pytest.mark.parametrize(("gap", "shown"), [(1.5, False), (10.0, True)])
def test_open_mouth_shows_what_is_in_the_subjects(gap: float, shown: bool, bank: Portraits, officer_face: AlignedFace) -> None:
    """Teeth of a smile between the lips of somebody who speaks are a grimace."""
    assert officer_face.points is not None
    points = officer_face.points.copy()
    points[[*range(55, 60), *range(65, 68)], 1] += gap - np.linalg.norm(points[66] - points[62])
    # A smiling portrait, with teeth, and a dark mouth.
    teeth = int(np.argmax(bank.smile[: bank.n_pictures]))
    pictures = []
    for n in (128, 256):
        mask: NDArray[Any] = np.zeros((n, n), np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull((points[60:68] * n / 128).astype(np.int32)), 1)
        photo = np.asarray(_scaled(officer_face.large, n), np.uint8).copy()
        photo[mask > 0] = (0, 160, 0)
        pictures.append(photo)
    made = stand_in(bank, [teeth], [1.0], pictures[0], pictures[1], points)
    red, green, _ = np.median(made.face[_between_lips(made, 1)], axis=0)
    assert (green > red + 60) == shown


FLAT: dict[str, int] = {"grey": 90, "black": 0, "white": 255}


@pytest.mark.parametrize("level", FLAT.values(), ids=FLAT.keys())
def test_picture_without_a_face_gives_a_stand_in_all_the_same(level: int, bank: Portraits, woman_face: AlignedFace) -> None:
    """Whether anything is there is for others to say; no number that is none reaches them."""
    blank: Image = np.full((128, 128, 3), level, np.uint8)
    made = _made(bank, replace(woman_face, crop=blank, large=np.full((256, 256, 3), level, np.uint8)))
    assert np.isfinite(made.face).all()
    assert made.face.min() >= 0
    assert made.face.max() <= 255


@pytest.mark.parametrize("where", [(5.0, 5.0), (64.0, 64.0), (-40.0, 200.0)])
def test_landmarks_in_one_point_give_no_broken_numbers(where: tuple[float, float], bank: Portraits, woman_face: AlignedFace) -> None:
    made = _made(bank, replace(woman_face, points=np.tile(np.array(where), (68, 1))))
    assert np.isfinite(made.face).all()
    assert np.isfinite(made.points).all()


def test_highlights_of_a_dark_portrait_are_no_patches_on_a_pale_face(bank: Portraits, woman_face: AlignedFace) -> None:
    """Lightness is raised by adding: what stands out of the skin stands out as much as in the portrait, and not twice as much."""
    assert woman_face.points is not None
    dark = int(np.argmin(bank.skin[: bank.n_pictures, 0]))
    bright = np.full((128, 128, 3), (235, 205, 190), np.uint8)
    made = stand_in(bank, [dark], [1.0], bright, np.kron(bright, np.ones((2, 2, 1), np.uint8)), woman_face.points)
    inside = _inside(made)
    fine = {}
    for name, picture in (("made", made.face), ("portrait", _scaled(bank.picture(dark), 256).astype(np.float32))):
        lightness = cv2.cvtColor(np.clip(picture, 0, 255) / 255, cv2.COLOR_RGB2LAB)[..., 0]
        fine[name] = lightness - cv2.GaussianBlur(lightness, (0, 0), 12)
    assert np.quantile(fine["made"][inside], 0.98) < 1.3 * np.quantile(fine["portrait"][inside], 0.98)


def test_features_lie_farther_from_the_subjects_than_the_portraits_do(bank: Portraits, woman_face: AlignedFace) -> None:
    points = woman_face.points
    assert points is not None
    shape = _placed(bank.points[0], points)
    led = shape.copy()
    _lead_away(led, points[17:], 0.7)
    np.testing.assert_array_equal(led[:17], shape[:17])
    brows_and_nose = slice(17, 36)
    assert np.linalg.norm((led - points)[brows_and_nose]) > 1.1 * np.linalg.norm((shape - points)[brows_and_nose])
    for part in (slice(36, 42), slice(42, 48), slice(48, 68)):
        # Expression: moved as a whole, and no other form.
        np.testing.assert_allclose(np.ptp(led[part] - shape[part], axis=0), 0, atol=1e-9)


def _falls(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much of its length each brow of (68, 2) falls toward the nose."""
    return np.array(
        [(points[21, 1] - points[17, 1]) / (points[21, 0] - points[17, 0]), (points[22, 1] - points[26, 1]) / np.ptp(points[22:27, 0])]
    )


def test_brows_are_no_angrier_than_the_portraits(bank: Portraits, officer_face: AlignedFace) -> None:
    """Those of somebody under a raised, round pair were led away downward at the nose."""
    assert officer_face.points is not None
    raised = officer_face.points.copy()
    raised[20:24, 1] -= 4
    more = []
    for pair in itertools.pairwise(range(0, bank.n_pictures, 9)):
        placed = np.mean([_falls(_placed(bank.points[i], raised)) for i in pair], axis=0)
        more.append(_falls(shape_for(bank, pair, (0.7, 0.3), raised)) - placed)
    # Mixed, and turned as the head is, they are a little different.
    assert np.quantile(more, 0.95) < 0.12


def _tip(points: NDArray[np.float64]) -> float:
    """How far the tip of the nose lies beside the middle of the eyes, as a share of their distance."""
    left, right = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    along = (right - left) / np.linalg.norm(right - left)
    return float((points[30] - (left + right) / 2) @ along / np.linalg.norm(right - left))


def test_the_nose_of_a_turned_head_is_turned(bank: Portraits) -> None:
    turn = bank.pose[:, 0]
    straight = [int(i) for i in np.argsort(np.abs(turn), kind="stable")[:12]]
    for subject in np.argsort(turn, kind="stable")[-6:]:
        points = bank.points[subject]
        tips = [_tip(shape_for(bank, pair, (0.6, 0.4), points)) for pair in itertools.pairwise(straight)]
        assert np.median(tips) > 0.4 * _tip(points) > 0.1


def test_what_turns_a_head_is_not_exaggerated(woman_face: AlignedFace) -> None:
    points = woman_face.points
    assert points is not None
    turned = points @ np.array([[0.9, 0.05], [-0.05, 1.1]]) + (3, -2)
    led = turned.copy()
    _lead_away(led, points[17:], 0.7)
    np.testing.assert_allclose(led, turned, atol=1e-6)


def test_no_feature_lies_outside_the_face(woman_face: AlignedFace) -> None:
    points = woman_face.points
    assert points is not None
    shape = points.copy()
    # As an eye of a head that looks less aside.
    shape[36:42, 0] = points[0, 0] - 5
    _keep_inside(shape, points)
    hull = cv2.convexHull(outline(points, 0.3).astype(np.float32))
    assert all(cv2.pointPolygonTest(hull, (float(x), float(y)), True) > 0.5 for x, y in shape[17:48])
    np.testing.assert_array_equal(shape[48:], points[48:])
    np.testing.assert_allclose(shape[42:48], points[42:48])


def test_eyes_take_the_colour_of_the_photos(bank: Portraits, face: AlignedFace) -> None:
    """Blue eyes do not come into a face with brown ones."""
    assert face.large is not None
    brown, blue = (replace(face, crop=_with_eyes(face, c), large=face.large) for c in ((70, 45, 25), (60, 90, 150)))
    eyes = _eyes(_made(bank, face))
    colours = [_made(bank, f).face[eyes].mean(axis=0) for f in (brown, blue)]
    assert colours[0][0] - colours[0][2] > colours[1][0] - colours[1][2] + 5


def _with_eyes(face: AlignedFace, colour: tuple[int, int, int]) -> Any:
    assert face.points is not None
    crop = face.crop.copy()
    for lids in (face.points[36:42], face.points[42:48]):
        cv2.fillConvexPoly(crop, cv2.convexHull(np.round(lids).astype(np.int32)), colour)
    return crop


def test_a_photo_in_black_and_white_stays_so(bank: Portraits, face: AlignedFace) -> None:
    assert face.large is not None
    grey, large = (np.repeat(cv2.cvtColor(c, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2) for c in (face.crop, face.large))
    made = _made(bank, replace(face, crop=np.asarray(grey, np.uint8), large=np.asarray(large, np.uint8)))
    shown = made.face[_inside(made)]
    assert np.abs(shown - shown.mean(axis=1, keepdims=True)).max() < 3
