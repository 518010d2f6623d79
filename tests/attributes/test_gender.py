"""The reader of gender: its formula, its file, and whom it reads right."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from deid import weights
from deid.attributes.classify import MALE
from deid.attributes.gender import GenderReader, logits
from deid.exceptions import WeightsFormatError
from deid.training.export import write


def _attributes(male: float) -> np.ndarray:
    out = np.full((1, 13), 0.3, np.float32)
    out[0, MALE] = male
    return out


def test_log_odds_are_bounded() -> None:
    np.testing.assert_allclose(logits(np.array([0.5, 0.75], np.float32)), [0, np.log(3)], atol=1e-6)
    low, high = logits(np.array([0, 1], np.float32))
    assert np.isfinite([low, high]).all()
    assert low == pytest.approx(-high)


def test_both_parts_count_as_they_weigh() -> None:
    weight = np.zeros(129, np.float32)
    weight[2], weight[128] = 5.0, 0.5
    reader = GenderReader({"weight": weight, "bias": np.array([-1.0], np.float32)})
    embedding = np.zeros((1, 128), np.float32)
    embedding[0, 2] = 0.4
    said = reader.male(_attributes(0.75), embedding)
    np.testing.assert_allclose(said, 1 / (1 + np.exp(-(5 * 0.4 + 0.5 * np.log(3) - 1))), rtol=1e-6)


def test_one_part_can_overrule_the_other() -> None:
    reader = GenderReader()
    direction = reader.arrays["weight"][:128]
    man = (direction / np.linalg.norm(direction))[None]
    assert reader.male(_attributes(0.4), man)[0] > 0.5
    assert reader.male(_attributes(0.6), -man)[0] < 0.5
    assert reader.arrays["weight"][128] > 0


def test_no_faces() -> None:
    assert GenderReader().male(np.zeros((0, 13), np.float32), np.zeros((0, 128), np.float32)).shape == (0,)


@pytest.mark.parametrize(
    "arrays", [{"weight": np.zeros(129, np.float32)}, {"weight": np.zeros(128, np.float32), "bias": np.zeros(1, np.float32)}]
)
def test_a_file_of_something_else(arrays: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(save(arrays), "gender", tmp_path, {}, {})
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    with pytest.raises(WeightsFormatError, match=r"gender\.safetensors"):
        GenderReader().male(_attributes(0.5), np.zeros((1, 128), np.float32))
