"""The threshold on strangers, against counting pairs one by one."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from deid.core.errors import DataError
from deid.training.calibrate import read_pairs, stranger_threshold


@pytest.mark.parametrize("fmr", [0.01, 0.1, 0.5])
def test_threshold_is_the_quantile_over_pairs_of_strangers(fmr: float) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    people = rng.integers(0, 12, 60).astype(str)
    distances = [np.linalg.norm(rows[a] - rows[b]) for a, b in combinations(range(60), 2) if people[a] != people[b]]
    threshold, n = stranger_threshold(rows, people, fmr)
    assert n == len(distances)
    assert threshold == pytest.approx(np.quantile(distances, fmr), abs=1e-5)


def test_chunks_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(40, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    people = rng.integers(0, 9, 40).astype(str)
    whole = stranger_threshold(rows, people, 0.2)
    monkeypatch.setattr("deid.training.calibrate._CHUNK", 7)
    assert stranger_threshold(rows, people, 0.2) == pytest.approx(whole)


def test_pairs_of_both_kinds(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("10\t300\nAbel_Pacheco\t1\t4\nAbdel_Madi_Shabneh\t1\tDean_Barker\t12\n")
    assert list(read_pairs(tmp_path / "pairs.txt")) == [
        ("Abel_Pacheco_0001.jpg", "Abel_Pacheco_0004.jpg"),
        ("Abdel_Madi_Shabneh_0001.jpg", "Dean_Barker_0012.jpg"),
    ]


def test_missing_pairs_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read pairs\.txt"):
        list(read_pairs(tmp_path / "pairs.txt"))
