"""The reader of ages needs UTKFace, and says on whom it was tried."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.types import Image
from deid.recognition.linear import AgeReader
from deid.training import age, utkface
from deid.training.utkface import UtkFaces


def test_a_folder_without_ages_is_an_error(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "utkface.tar", "w") as tar:
        info = tarfile.TarInfo("1_0.jpg")
        tar.addfile(info, io.BytesIO())
    with pytest.raises(DataError, match="utkface"):
        age.train(tmp_path, tmp_path / "out", age.AgeOptions())


def test_it_learns_from_both_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here dlib's says something of ages, and the second one more."""
    rng = np.random.default_rng(0)
    ages = rng.integers(0, 80, 240)
    rows, second = rng.normal(0, 0.05, (240, 128)).astype(np.float32), rng.normal(0, 0.02, (240, 1024)).astype(np.float32)
    rows[:, 0] += ages / 80 + rng.normal(0, 0.2, 240)
    second[:, 0] += ages / 80
    faces = UtkFaces(rows, second, ages, np.zeros(240, bool), np.zeros(240, int))
    monkeypatch.setattr(utkface, "load", lambda data, progress: faces)
    arrays = age.train(tmp_path, tmp_path / "out", age.AgeOptions())
    assert {name: a.shape for name, a in arrays.items()} == AgeReader.shapes
    said = json.loads((tmp_path / "out" / "age.json").read_text())
    exam = faces.split()[1]
    off = np.abs(AgeReader(arrays).years(exam.rows, exam.second) - exam.ages).mean()
    assert said["both"]["mean error in years"] == pytest.approx(off)
    assert off < 0.7 * said["dlib alone"]["mean error in years"]
    assert said["both"]["0-10"] > 0.5 > said["both"]["19 and over"]


def test_photos_are_embedded_by_both_recognisers(tmp_path: Path, hopper: Image) -> None:
    (tmp_path / "utkface").mkdir()
    PillowImage.fromarray(hopper).save(tmp_path / "utkface" / "85_1_0_2017.png")
    faces = utkface.load(tmp_path)
    assert (faces.rows.shape, faces.second.shape, faces.ages.tolist()) == ((1, 128), (1, AgeReader.second_width), [85])
    np.testing.assert_allclose(np.linalg.norm(np.hstack([faces.rows, faces.second]), axis=1), 2**0.5, rtol=1e-5)


def test_shares_are_counted_by_group(tmp_path: Path) -> None:
    said, ages = np.array([True, False, True, False]), np.array([3, 9, 15, 40])
    assert json.loads(json.dumps(age._shares(said, ages))) == {"0-10": 0.5, "13-18": 1.0, "19 and over": 0.0}
