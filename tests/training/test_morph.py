"""The faces that stage two learns: others' features, the source's place, light and surroundings."""

import numpy as np
import pytest

from deid.blend import face_mask
from deid.detect.face_points import FacePoints
from deid.models.attgan import ATTRIBUTES
from deid.structures import Image
from deid.training.data import FaceData
from deid.training.morph import Morphs


@pytest.fixture(scope="module")
def crops(hopper: Image, officer: object) -> list[Image]:
    from deid.align import align

    crop = align(hopper, officer).crop  # type: ignore[arg-type]
    gains = np.linspace(0.6, 1.0, 6)
    return [(crop * g).astype(np.uint8) for g in gains]


@pytest.fixture(scope="module")
def morphs(crops: list[Image]) -> Morphs:
    n = len(crops)
    labels = np.zeros((n, len(ATTRIBUTES)), np.int8)
    names = np.array([f"{i}.jpg" for i in range(n)])
    return Morphs(FaceData(np.stack(crops), names, names, labels, np.array(["lfw"] * n)), np.eye(n, dtype=np.float32))


def test_nothing_changes_outside_the_face(morphs: Morphs, crops: list[Image]) -> None:
    morph = morphs.draw(0, False, np.random.default_rng(0))
    outside = face_mask(FacePoints().points(crops[0])) == 0
    np.testing.assert_array_equal(morph.crop[outside], crops[0][outside])
    assert not np.array_equal(morph.crop, crops[0])


def test_light_comes_from_the_source(morphs: Morphs, crops: list[Image]) -> None:
    for index in (0, 5):
        morph = morphs.draw(index, False, np.random.default_rng(1))
        inside = face_mask(FacePoints().points(crops[index])) > 0.9
        assert morph.crop[inside].mean() == pytest.approx(crops[index][inside].mean(), rel=0.05)


def test_donors_are_others(morphs: Morphs) -> None:
    for seed in range(10):
        morph = morphs.draw(3, False, np.random.default_rng(seed))
        assert 3 not in morph.donors
        assert len(morph.donors) == 3
        assert morph.shares.sum() == pytest.approx(1)


def test_donors_share_gender_and_mouth(crops: list[Image]) -> None:
    n = len(crops)
    labels = np.zeros((n, len(ATTRIBUTES)), np.int8)
    labels[::2, ATTRIBUTES.index("Male")] = 1
    names = np.array([f"{i}.jpg" for i in range(n)])
    morphs = Morphs(FaceData(np.stack(crops), names, names, labels, np.array(["lfw"] * n)), np.eye(n, dtype=np.float32))
    for seed in range(10):
        assert set(morphs.draw(0, False, np.random.default_rng(seed)).donors) <= {2, 4}


def test_draws_are_repeatable_and_differ(morphs: Morphs) -> None:
    one, two, three = (morphs.draw(0, False, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.crop, two.crop)
    assert not np.array_equal(one.shares, three.shares)


def test_glasses_are_asked_for(crops: list[Image]) -> None:
    n = len(crops)
    labels = np.zeros((n, len(ATTRIBUTES)), np.int8)
    labels[::2, ATTRIBUTES.index("Eyeglasses")] = 1
    names = np.array([f"{i}.jpg" for i in range(n)])
    morphs = Morphs(FaceData(np.stack(crops), names, names, labels, np.array(["lfw"] * n)), np.eye(n, dtype=np.float32))
    for worn, wearers in ((True, {2, 4}), (False, {1, 3, 5})):
        assert set(morphs.draw(0, worn, np.random.default_rng(0)).donors) <= wearers
