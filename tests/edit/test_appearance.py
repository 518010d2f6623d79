"""Stand-ins: another person's features under the subject's light, in the subject's pose."""

import cv2
import numpy as np
import pytest

from deid import weights
from deid.align import align
from deid.attributes.sampler import sample_codes
from deid.blend import face_mask
from deid.detect.face_points import FacePoints
from deid.edit.appearance import AppearanceModel, shaded
from deid.embed.dlib_resnet import DlibResNetEmbedder
from deid.exceptions import WeightsFormatError
from deid.models.attgan import N_CODES
from deid.structures import Detection, Image

CODES = sample_codes(4, np.random.default_rng(0))


@pytest.fixture(scope="module")
def model() -> AppearanceModel:
    return AppearanceModel()


@pytest.fixture(scope="module", params=["officer", "woman"])
def face(request: pytest.FixtureRequest, hopper: Image, astronaut: Image) -> tuple[Image, bool]:
    found: Detection = request.getfixturevalue(request.param)
    man = request.param == "officer"
    return align(hopper if man else astronaut, found).crop, man


@pytest.fixture(scope="module")
def stand_ins(model: AppearanceModel, face: tuple[Image, bool]) -> list[Image]:
    crop, man = face
    return list(model.stand_ins(crop, FacePoints().points(crop), man, CODES, 1.0))


def test_are_other_people(face: tuple[Image, bool], stand_ins: list[Image], embedder: DlibResNetEmbedder) -> None:
    rows = embedder.embed(np.stack([face[0], *stand_ins]))
    assert (np.linalg.norm(rows[1:] - rows[0], axis=1) > 0.6 * embedder.threshold).all()
    apart = np.abs(np.stack(stand_ins)[:, None].astype(float) - np.stack(stand_ins)[None])[:, :, 50:105, 40:90].mean(axis=(2, 3, 4))
    assert apart[~np.eye(len(CODES), dtype=bool)].min() > 3.0


def test_hold_their_heads_and_mouths_as_the_subject_does(face: tuple[Image, bool], stand_ins: list[Image]) -> None:
    finder = FacePoints()
    before = finder.points(face[0])
    eyes = np.linalg.norm(before[36:42].mean(axis=0) - before[42:48].mean(axis=0))
    for crop in stand_ins:
        assert np.linalg.norm(finder.points(crop) - before, axis=1).mean() < 0.1 * eyes


def test_are_lit_as_the_subject_is(face: tuple[Image, bool], stand_ins: list[Image]) -> None:
    """Far coarser than features, nothing changes: neither the light nor the skin."""
    inside = face_mask(FacePoints().points(face[0])) > 0.9
    before = cv2.GaussianBlur(face[0].astype(np.float32), (0, 0), 20)[inside]
    for crop in stand_ins:
        after = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), 20)[inside]
        assert np.abs(after - before).mean() < 6.0


def test_what_is_no_face_stays(face: tuple[Image, bool], stand_ins: list[Image]) -> None:
    outside = face_mask(FacePoints().points(face[0])) == 0
    for crop in stand_ins:
        changed = np.abs(crop.astype(int) - face[0])
        assert not changed[outside].any()
        assert changed[50:105, 40:90].mean() > 5.0


def test_no_code_asks_for_the_same_person(model: AppearanceModel, face: tuple[Image, bool], embedder: DlibResNetEmbedder) -> None:
    crop, man = face
    (same,) = model.stand_ins(crop, FacePoints().points(crop), man, np.zeros((1, N_CODES), np.float32), 1.0)
    one, two = embedder.embed(np.stack([crop, same]))
    assert np.linalg.norm(one - two) < 0.3 * embedder.threshold


def test_one_code_is_one_person(model: AppearanceModel, face: tuple[Image, bool], stand_ins: list[Image]) -> None:
    crop, man = face
    again = model.stand_ins(crop, FacePoints().points(crop), man, CODES[::-1], 1.0)
    np.testing.assert_array_equal(again[::-1], np.stack(stand_ins))


def test_new_faces_lose_their_patches_and_keep_their_features(face: tuple[Image, bool]) -> None:
    """Against the subject itself as its stand-in, whose shades are right."""
    crop = face[0]
    patchy = crop.astype(np.float32)
    cv2.circle(patchy, (50, 64), 16, (255, 255, 255), -1)
    patchy = np.asarray(crop + 0.25 * (cv2.GaussianBlur(patchy, (0, 0), 5) - crop), np.uint8)
    striped = patchy.copy()
    striped[90:94, 40:90] //= 2
    (mended, with_stripe), off = shaded(np.stack([patchy, striped]), np.stack([crop, crop]), crop), np.abs(patchy.astype(float) - crop)
    assert np.abs(mended.astype(float) - crop)[50:80, 36:66].mean() < 0.5 * off[50:80, 36:66].mean()
    stripe = mended[90:94, 45:85].astype(float) - with_stripe[90:94, 45:85]
    assert stripe.mean() > 0.6 * (patchy[90:94, 45:85].astype(float) - striped[90:94, 45:85]).mean()


def test_shades_lead_away_from_the_subject(face: tuple[Image, bool]) -> None:
    crop = face[0]
    brighter = np.clip(crop.astype(int) + 20, 0, 255).astype(np.uint8)
    dark = crop < 200
    (out,) = shaded(crop[None], brighter[None], crop)
    assert 25 < (out.astype(int) - crop)[dark].mean() < 40


def test_other_arrays_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, item = weights.read("appearance")
    monkeypatch.setattr(weights, "read", lambda name: (tensors | {"shape": tensors["shape"][:5]}, item))
    with pytest.raises(WeightsFormatError, match="expected the arrays"):
        _ = AppearanceModel().arrays
