"""Training faces: aligned once, labelled, and split by person."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError
from deid.core.types import Image
from deid.detection.central import central
from deid.training.data import FaceData, joined, load, portraits, split_of
from deid.training.realism import DAMAGE

MALE = ATTRIBUTES.index("Male")


SPLITS = {
    "lfw/Aaron_Eckhart": "train",
    "lfw/Zico": "train",
    "lfw/Colin_Powell": "test",
    "lfw/Tony_Blair": "test",
    "lfw/Adam_Freier": "validation",
    "lfw/Adolfo_Aguilar_Zinser": "validation",
}


def test_split_is_the_same_for_ever() -> None:
    """Another result here would let people of the test split into the training of shipped weights."""
    assert {name: split_of(name) for name in SPLITS} == SPLITS


def test_split_has_its_shares() -> None:
    splits = [split_of(f"celeba/{i}") for i in range(8000)]
    assert splits.count("test") / 8000 == pytest.approx(0.25, abs=0.02)
    assert splits.count("validation") / 8000 == pytest.approx(0.05, abs=0.01)


def test_no_person_is_in_two_splits(faces: FaceData) -> None:
    parts = [faces.split(name) for name in ("train", "validation", "test")]
    people = [set(part.identities) for part in parts]
    assert people[0]
    assert people[1]
    assert not people[0] & people[1]
    assert sum(len(part) for part in parts) == len(faces)


def test_where_takes_masks_and_indices(faces: FaceData) -> None:
    some = faces.where(np.array([3, 1]))
    assert some.names.tolist() == ["3.jpg", "1.jpg"]
    np.testing.assert_array_equal(some.crops[0], faces.crops[3])
    np.testing.assert_array_equal(some.labels[1], faces.labels[1])
    assert len(faces.where(faces.sources == "celeba")) == 12
    assert len(faces.where(np.zeros(len(faces), bool))) == 0


@pytest.fixture
def folder(hopper: Image, astronaut: Image, tmp_path: Path) -> Path:
    """A few photos laid out as LFW, with its gender list, and two as CelebA in its own layout."""
    data = tmp_path / "data"
    for name, image in {"Grace_Hopper": hopper, "Eileen_Collins": astronaut}.items():
        (data / "lfw" / name).mkdir(parents=True)
        PillowImage.fromarray(image).save(data / "lfw" / name / f"{name}_0001.jpg")
    (data / "lfw" / "Nobody").mkdir()
    (data / "lfw" / "Nobody" / "Nobody_0001.jpg").write_bytes(b"no picture")
    PillowImage.new("RGB", (250, 250)).save(data / "lfw" / "Nobody" / "Nobody_0002.jpg")
    (data / "lfw-gender.csv").write_text("image,gender\nEileen_Collins_0001.jpg,female\n")
    pictures = data / "celeba" / "img_align_celeba"
    pictures.mkdir(parents=True)
    PillowImage.fromarray(hopper).save(pictures / "000001.jpg")
    PillowImage.fromarray(hopper).save(pictures / "000009.jpg")
    names = ["5_o_Clock_Shadow", *ATTRIBUTES]
    row = ["-1", *("1" if a in {"Male", "Young"} else "-1" for a in ATTRIBUTES)]
    (data / "celeba" / "list_attr_celeba.txt").write_text(f"1\n{' '.join(names)}\n000001.jpg  {' '.join(row)}\n")
    (data / "celeba" / "identity_CelebA.txt").write_text("000001.jpg 2880\n")
    return data


def test_load_reads_what_is_there(folder: Path, tmp_path: Path) -> None:
    faces = load(folder, tmp_path / "cache")
    rows = dict(zip(faces.names.tolist(), range(len(faces)), strict=True))
    # What is no picture, shows no face or has no label is left out.
    assert set(rows) == {"Grace_Hopper_0001.jpg", "Eileen_Collins_0001.jpg", "000001.jpg"}
    assert faces.crops.shape == (3, 128, 128, 3)
    assert faces.identities[rows["000001.jpg"]] == "celeba/2880"
    assert faces.identities[rows["Eileen_Collins_0001.jpg"]] == "lfw/Eileen_Collins"
    unknown = faces.labels[rows["Grace_Hopper_0001.jpg"]]
    assert set(unknown) == {-1}
    known = faces.labels[rows["Eileen_Collins_0001.jpg"]]
    assert known[MALE] == 0
    assert (np.delete(known, MALE) == -1).all()
    celeba = faces.labels[rows["000001.jpg"]]
    assert {a for a, v in zip(ATTRIBUTES, celeba, strict=True) if v == 1} == {"Male", "Young"}
    assert (celeba >= 0).all()


def test_cache_is_read_and_holds_no_pickle(folder: Path, tmp_path: Path) -> None:
    first = load(folder, tmp_path / "cache")
    again = load(tmp_path / "nowhere", tmp_path / "cache")
    for name in ("crops", "names", "identities", "labels", "sources"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    np.load(tmp_path / "cache" / "crops.npy", allow_pickle=False)


def test_tar_gives_what_the_folder_gives(folder: Path, tmp_path: Path) -> None:
    expected = load(folder, tmp_path / "cache")
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "lfw-gender.csv").write_bytes((folder / "lfw-gender.csv").read_bytes())
    with tarfile.open(packed / "lfw-deepfunneled.tar", "w") as tar:
        tar.add(folder / "lfw", "lfw-deepfunneled")
    faces = load(packed, tmp_path / "other")
    lfw = expected.where(expected.sources == "lfw")
    assert set(faces.names) == set(lfw.names)
    for name in faces.names:
        # Landmarks differ by a hair with the company in a batch.
        difference = np.abs(faces.crops[faces.names == name].astype(int) - lfw.crops[lfw.names == name])
        assert difference.mean() < 1
        np.testing.assert_array_equal(faces.identities[faces.names == name], lfw.identities[lfw.names == name])


def test_folder_without_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected lfw-deepfunneled or celeba data"):
        load(tmp_path, tmp_path / "cache")
    (tmp_path / "lfw" / "Nobody").mkdir(parents=True)
    PillowImage.new("RGB", (250, 250)).save(tmp_path / "lfw" / "Nobody" / "Nobody_0001.jpg")
    with pytest.raises(DataError, match="no face could be aligned in the 1 photos"):
        load(tmp_path, tmp_path / "cache")


def test_central_face(hopper: Image) -> None:
    from deid.core.types import Detection

    here, there = Detection(np.array([100.0, 120, 160, 180])), Detection(np.array([0.0, 0, 60, 60]))
    assert central([there, here], hopper) is here
    assert central([], hopper) is None


def test_kinds_of_damage_are_named() -> None:
    assert {"noise", "smear", "hatch"} <= set(DAMAGE)


def test_portraits_come_aligned_and_labelled(faces: FaceData, tmp_path: Path) -> None:
    assert len(portraits(tmp_path)) == 0
    (tmp_path / "portraits").mkdir()
    for name, grey in (("a.png", 90), ("b.png", 30), ("not in the table.png", 0)):
        PillowImage.new("RGB", (384, 384), (grey, 0, 0)).save(tmp_path / "portraits" / name)
    rows = [f"{name},{','.join(['0.2'] * 7 + [male] + ['0.9'] * 5)}" for name, male in (("b.png", "0.7"), ("a.png", "0.1"))]
    (tmp_path / "portraits.csv").write_text("\n".join([f"file,{','.join(ATTRIBUTES)}", *rows]))
    found = portraits(tmp_path)
    assert found.names.tolist() == ["a.png", "b.png"]
    assert found.crops.shape == (2, 128, 128, 3)
    assert found.crops[:, 64, 64, 0].tolist() == [90, 30]
    assert found.labels[:, MALE].tolist() == [0, 1]
    both = joined(faces, found)
    assert len(both) == len(faces) + 2
    assert both.identities[-1] == "portraits/b.png"
