"""The reader of children's faces learns from ages in file names, and says on whom it was tried."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.types import Image
from deid.training import age


def test_a_folder_without_ages_is_an_error(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "utkface.tar", "w") as tar:
        info = tarfile.TarInfo("1_0.jpg")
        tar.addfile(info, io.BytesIO())
    with pytest.raises(DataError, match="utkface"):
        age.train(tmp_path, tmp_path / "out", age.AgeOptions())


def test_ages_are_read_from_names(tmp_path: Path, hopper: Image) -> None:
    folder = tmp_path / "utkface"
    folder.mkdir()
    for name in ("7_1_2_2017.jpg", "55_0_0_2017.jpg", "no_age.jpg"):
        PillowImage.fromarray(hopper[:300, :300]).save(folder / name)
    assert sorted(a for a, _ in age._with_age(tmp_path)) == [7, 55]


def test_shares_are_counted_by_group(tmp_path: Path) -> None:
    said, ages = np.array([True, False, True, False]), np.array([3, 9, 15, 40])
    assert json.loads(json.dumps(age._shares(said, ages))) == {"0-10": 0.5, "13-18": 1.0, "19 and over": 0.0}
