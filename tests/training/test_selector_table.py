"""The selector's table: one seed gives one table, and a run that was broken off goes on."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from deid import weights
from deid.attributes.sampler import sample_sets
from deid.attributes.selector import Selector
from deid.exceptions import DataError
from deid.models.mobilefacenet import MobileFaceNet
from deid.training import selector_table, tasks
from deid.training.data import FaceData, split_of
from deid.training.selector_table import Bench, Table, join, make, people, read

N_SETS = 3


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MobileFaceNet that knows nobody."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("recogniser") / "mobile.safetensors"
    save_file(MobileFaceNet().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def few(faces: FaceData) -> FaceData:
    return people(faces, 3, 1, seed=0)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selector_table, "_PART", 2)


def _make(few: FaceData, folder: Path, recogniser: Path, seed: int = 0, workers: int = 1) -> Table:
    return make(few, folder, recogniser, N_SETS, seed, workers)


def _assert_equal(a: Table, b: Table) -> None:
    for (name, mine), theirs in zip(a._columns().items(), b._columns().values(), strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=name)


def test_one_photo_of_each_person_and_the_splits_stay_apart(faces: FaceData) -> None:
    few = people(faces, 5, 4, seed=1)
    assert len(set(few.identities)) == len(few) == 9
    assert [split_of(str(i)) for i in few.identities] == ["validation"] * 4 + ["train"] * 5
    np.testing.assert_array_equal(people(faces, 5, 4, seed=1).names, few.names)
    assert list(people(faces, 5, 4, seed=2).names) != list(few.names)


@pytest.mark.usefixtures("small_parts")
def test_same_table_from_the_same_seed_and_after_a_kill(few: FaceData, recogniser: Path, tmp_path: Path) -> None:
    done: list[int] = []
    first = make(few, tmp_path / "a", recogniser, N_SETS, 0, 1, lambda step, steps, note: done.append(step))
    assert done == [1, 2]
    assert first.sets.shape == (4, N_SETS, 29)
    assert first.distance.shape == first.passed.shape == (4, N_SETS)
    _assert_equal(_make(few, tmp_path / "b", recogniser), first)
    parts = sorted((tmp_path / "a").iterdir())
    kept, lost = parts[0].stat().st_mtime_ns, parts[1]
    lost.unlink()
    _assert_equal(_make(few, tmp_path / "a", recogniser), first)
    assert parts[0].stat().st_mtime_ns == kept
    other = _make(few, tmp_path / "a", recogniser, seed=1)
    assert (other.sets != first.sets).any(axis=-1).all()
    assert len(list((tmp_path / "a").iterdir())) == 4


@pytest.mark.usefixtures("small_parts")
def test_another_process_makes_the_same_table(few: FaceData, recogniser: Path, tmp_path: Path) -> None:
    one = _make(few.where(np.arange(1)), tmp_path / "one", recogniser)
    two = _make(few.where(np.arange(1)), tmp_path / "two", recogniser, workers=2)
    for name, mine in one._columns().items():
        if mine.dtype.kind == "f":
            np.testing.assert_allclose(two._columns()[name], mine, atol=2e-3, err_msg=name)


def test_row_says_what_the_gate_says(few: FaceData, recogniser: Path) -> None:
    bench = Bench(recogniser)
    crop = few.crops[0]
    source = bench.source(crop)
    sets = sample_sets(source.male > 0.5, N_SETS, np.random.default_rng(0))
    row = bench.measure("somebody", crop, source, sets)
    checks = bench.gate.measure(source, bench.edit(crop, sets))
    np.testing.assert_allclose(row.distance[0], [c.distances[0].value for c in checks], atol=1e-5)
    np.testing.assert_allclose(row.realism[0], [c.realism for c in checks], atol=1e-5)
    in_place = row.iou[0] >= bench.gate.options.min_iou
    np.testing.assert_array_equal(row.passed[0], [c.passed for c in checks] & in_place)
    assert ((row.score >= 0) & (row.score <= 1) & ((row.score > 0) == (row.iou > 0))).all()


def test_command_leaves_a_selector_that_loads(faces: FaceData, recogniser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()
    np.save(tmp_path / "cache" / "crops.npy", faces.crops)
    columns = {"names": faces.names, "identities": faces.identities, "labels": faces.labels, "sources": faces.sources}
    np.savez(tmp_path / "cache" / "faces.npz", **columns)
    settings = tmp_path / "settings.toml"
    settings.write_text("people = 5\nexam = 0\nsets = 3\ncomponents = 2\nhidden = [4]\nepochs = 1\n")
    tasks.train_selector(tmp_path, tmp_path, recogniser, settings, lambda step, steps, note: None)
    assert len(read(tmp_path / "table.npz")) == 5
    item = tomllib.loads((tmp_path / "manifest.toml").read_text())["selector"]
    assert "5 people under 3 sets each" in item["data"]
    assert item["command"].startswith("deid train selector")
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    chosen, _ = Selector().choose(np.zeros(13, np.float32), np.zeros(128, np.float32), sample_sets(True, 6, np.random.default_rng(0)), 2)
    assert chosen.shape == (2, 29)


def test_no_faces_is_an_error(faces: FaceData, recogniser: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected faces"):
        _make(faces.where(np.zeros(0, np.intp)), tmp_path, recogniser)


def test_file_of_something_else_is_told(tmp_path: Path, few: FaceData, recogniser: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    for name in ("other.npz", "absent.npz"):
        with pytest.raises(DataError, match=name):
            read(tmp_path / name)


def test_tables_join_and_split(few: FaceData, recogniser: Path, tmp_path: Path) -> None:
    table = _make(few, tmp_path, recogniser)
    parts = [table.split("validation"), table.split("train")]
    assert [len(part) for part in parts] == [1, 3]
    _assert_equal(join(parts), table)
