"""The data sets as they lie there; skipped where they are absent."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from deid.core.errors import DataError
from deid.training.data import split_of
from evaluation import datasets


def test_an_absent_set_says_what_to_put_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEID_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"expected lfw-deepfunneled.tar in .*set DEID_DATA"):
        datasets.lfw()
    assert datasets.genders(tmp_path / "nothing.csv") == {}


def test_lfw_test_people_are_in_no_training(lfw_data: Path) -> None:
    photos = datasets.lfw("test")
    assert {split_of(f"lfw/{p.identity}") for p in photos} == {"test"}
    some = datasets.people(photos, 5, 2)
    assert len(some) == 10
    assert some[0].image().shape == (250, 250, 3)
    assert {p.gender for p in some} <= {"male", "female"}


def test_orl_has_ten_photos_of_forty_people(lfw_data: Path) -> None:
    images, labels = datasets.orl()
    assert images.shape == (400, 112, 92)
    assert np.bincount(labels).tolist() == [10] * 40


def test_cmu_mit_boxes_lie_in_their_photos(lfw_data: Path) -> None:
    for _, image, boxes in itertools.islice(datasets.cmu_mit(), 20):
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert ((centres > 0) & (centres < image.shape[1::-1])).all()


def test_celeba_people_have_several_photos_where_its_alignment_says(lfw_data: Path) -> None:
    photos, points = datasets.celeba(), datasets.CELEBA_POINTS
    assert len(photos) == 9000
    some = datasets.people(photos, 4, 2)
    assert len(some) == 8
    for photo in some:
        image = photo.image()
        assert image.shape == (109, 89, 3)
        assert points.min() > 0
        assert (points.max(axis=0) < [89, 109]).all()
