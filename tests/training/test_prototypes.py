"""What an attribute looks like, learned from faces that have it and faces that have not."""

import numpy as np
import pytest

from deid.core.attributes import ATTRIBUTES
from deid.core.types import Image
from deid.landmarks.face_points import FacePoints
from deid.training.data import FaceData
from deid.training.prototypes import Prototypes, _shut

_MALE, _BROWS, _YOUNG, _NO_BEARD = (ATTRIBUTES.index(a) for a in ("Male", "Bushy_Eyebrows", "Young", "No_Beard"))


@pytest.fixture(scope="module")
def crop(hopper: Image, officer: object) -> Image:
    from deid.imaging.alignment import align

    return align(hopper, officer).crop  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def prototypes(crop: Image) -> Prototypes:
    """Twelve faces of one shape: brows make the left half darker by 20, men are brighter by 30, most of the bushy brows are theirs,
    and four of them wear beards, which make the chin darker by 40."""
    male = np.arange(12) % 2
    brows = np.array([0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1])
    crops = np.repeat(crop[None] // 2 + 60, 12, axis=0).astype(int)
    crops[male == 1] += 30
    crops[brows == 1, :, :64] -= 20
    bearded = np.isin(np.arange(12), [1, 3, 9, 11])
    crops[bearded, 100:] -= 40
    labels = np.zeros((12, len(ATTRIBUTES)), np.int8)
    labels[:, _NO_BEARD] = ~bearded
    labels[:, _MALE], labels[:, _BROWS] = male, brows
    names = np.array([f"{i}.jpg" for i in range(12)])
    points = np.repeat(FacePoints().points(crop)[None], 12, axis=0)
    return Prototypes(FaceData(crops.astype(np.uint8), names, names, labels, np.array(["lfw"] * 12)), points)


@pytest.mark.parametrize("amount", [-1.0, 0.5, 2.0])
def test_what_goes_with_an_attribute_is_told_from_what_goes_with_gender(prototypes: Prototypes, crop: Image, amount: float) -> None:
    plain = crop // 2 + 60
    amounts = np.zeros(len(ATTRIBUTES))
    amounts[_BROWS] = amount
    change = prototypes.change(plain, FacePoints().points(crop), amounts).astype(int) - plain
    assert np.median(change[20:108, 10:50]) == pytest.approx(-20 * amount, abs=1)
    assert np.median(change[20:108, 80:120]) == pytest.approx(0, abs=1)


def test_gender_comes_without_beards(prototypes: Prototypes, crop: Image) -> None:
    plain = crop // 2 + 60
    amounts = np.zeros(len(ATTRIBUTES))
    amounts[_MALE] = 1.0
    change = prototypes.change(plain, FacePoints().points(crop), amounts).astype(int) - plain
    assert np.median(change[106:114, 66:76]) == pytest.approx(30, abs=1)


def test_what_nobody_has_changes_nothing(prototypes: Prototypes, crop: Image) -> None:
    plain = crop // 2 + 60
    amounts = np.zeros(len(ATTRIBUTES))
    amounts[_YOUNG] = 2.0
    change = prototypes.change(plain, FacePoints().points(crop), amounts).astype(int) - plain
    assert np.abs(change[16:112, 16:112]).mean() < 1.0


def test_a_mouth_shuts_no_further_than_its_lips_meet() -> None:
    points = np.stack([np.arange(68.0), np.arange(68.0)], axis=1)
    points[[61, 62, 63], 1], points[[67, 66, 65], 1] = [90, 92, 90], [94, 88, 94]
    shut = _shut(points.copy())
    assert shut[[61, 62, 63], 1].tolist() == [90, 90, 90]
    assert shut[[67, 66, 65], 1].tolist() == [94, 90, 94]
    others = np.setdiff1d(np.arange(68), [62, 66])
    assert (shut[others] == points[others]).all()
