"""The reader of ages needs UTKFace, and says on whom it was tried."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from deid.core.errors import DataError
from deid.training import age


def test_a_folder_without_ages_is_an_error(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "utkface.tar", "w") as tar:
        info = tarfile.TarInfo("1_0.jpg")
        tar.addfile(info, io.BytesIO())
    with pytest.raises(DataError, match="utkface"):
        age.train(tmp_path, tmp_path / "out", age.AgeOptions())


def test_shares_are_counted_by_group(tmp_path: Path) -> None:
    said, ages = np.array([True, False, True, False]), np.array([3, 9, 15, 40])
    assert json.loads(json.dumps(age._shares(said, ages))) == {"0-10": 0.5, "13-18": 1.0, "19 and over": 0.0}
