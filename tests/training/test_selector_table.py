"""The selector's table: rows are what the product makes, one seed gives one table, and a run that was broken off goes on."""

import io
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import save_file

from deid import weights
from deid.cli import train
from deid.compositing.fitting import fit_to_photo
from deid.core.errors import DataError
from deid.core.types import Image
from deid.editing.checked import edit
from deid.editing.sampler import SET_SIZE, portraits_of
from deid.editing.selector import Selector
from deid.imaging.alignment import warp
from deid.models.mobilefacenet import MobileFaceNet
from deid.training import pairs
from deid.training.bench import Bench, Subject
from deid.training.data import split_of
from deid.training.pairs import Plan, make, people
from deid.training.selector_table import Table, join, read


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MobileFaceNet that knows nobody."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("recogniser") / "mobile.safetensors"
    save_file(MobileFaceNet().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def plan(recogniser: Path) -> Plan:
    return Plan(recogniser, stand_ins=2, sets=1)


@pytest.fixture(scope="module")
def lfw(tmp_path_factory: pytest.TempPathFactory, hopper: Image, astronaut: Image) -> Path:
    """A folder laid out as LFW: two people to train on, of whom one has no face, and one to validate on."""
    folder = tmp_path_factory.mktemp("data")
    names = [f"p{i}" for i in range(400)]
    lesson = [name for name in names if split_of(f"lfw/{name}") == "train"][:2]
    exam = next(name for name in names if split_of(f"lfw/{name}") == "validation")
    for name, image in zip([*lesson, exam], [hopper, np.full_like(hopper, 127), astronaut], strict=True):
        path = folder / "lfw-deepfunneled" / name / f"{name}_0001.jpg"
        path.parent.mkdir(parents=True)
        Pillow.fromarray(image).save(path, quality=95)
    return folder


@pytest.fixture(scope="module")
def bench(recogniser: Path) -> Bench:
    return Bench(recogniser)


@pytest.fixture(scope="module")
def subject(bench: Bench, hopper: Image) -> Subject:
    found = bench.subject("somebody", hopper)
    assert found is not None
    return found


def _assert_equal(a: Table, b: Table) -> None:
    for (name, mine), theirs in zip(a.columns().items(), b.columns().values(), strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=name)


def test_one_photo_of_each_person_and_the_splits_stay_apart(lfw: Path) -> None:
    few = people(lfw, 5, 4, seed=1)
    assert [split_of(photo.identity) for photo in few] == ["validation", "train", "train"]
    assert len({photo.identity for photo in few}) == 3
    assert few == people(lfw, 5, 4, seed=1)
    assert Pillow.open(io.BytesIO(few[0].data)).size == (300, 300)
    assert not people(lfw, 0, 0, seed=1)


def test_same_table_after_a_kill_without_whom_no_face_is_found(
    lfw: Path, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "PART", 1)
    few, done = people(lfw, 2, 1, 0), list[int]()
    first = make(few, tmp_path, plan, report=lambda step, steps, note: done.append(step))
    assert done == [1, 2, 3]
    assert len(first) == 2
    assert first.rows.shape == (2, 2, SET_SIZE)
    assert first.distance.shape == first.passed.shape == (2, 2)
    parts = sorted(tmp_path.iterdir(), key=lambda path: len(read(path)))
    kept, lost = parts[1].stat().st_mtime_ns, parts[2]
    lost.unlink()
    _assert_equal(make(few, tmp_path, plan), first)
    assert parts[1].stat().st_mtime_ns == kept
    _assert_equal(join([first.split("validation"), first.split("train")]), first)
    assert [len(first.split(name)) for name in ("validation", "train")] == [1, 1]


def test_pairs_are_stand_ins_without_a_portrait_in_common(bench: Bench, subject: Subject) -> None:
    rows = bench.pairs(subject, 3, 2, np.random.default_rng(0))
    assert rows.shape == (6, SET_SIZE)
    np.testing.assert_array_equal(rows[::2, 13:], rows[1::2, 13:])
    assert len({tuple(row[:13]) for row in rows}) == 6
    numbers = [i % bench.editor.portraits().n_pictures for row in rows[::2] for i in portraits_of(row)[0]]
    assert len(set(numbers)) == len(numbers)
    np.testing.assert_array_equal(bench.pairs(subject, 3, 2, np.random.default_rng(0)), rows)


def test_row_says_what_the_gate_says_of_the_photo(bench: Bench, subject: Subject) -> None:
    rows = bench.pairs(subject, 2, 1, np.random.default_rng(1))
    table = bench.measure(subject, rows)
    proposals = fit_to_photo(edit(bench.editor, subject.face, rows, bench.level.strength), subject.face)
    images = [proposal.paste(subject.image, subject.face.matrix)[0] for proposal in proposals]
    checks = [bench.gate.judge(subject.source, image) for image in images]
    np.testing.assert_allclose(table.distance[0], [c.distances[0].value for c in checks], atol=1e-5)
    np.testing.assert_allclose(table.realism[0], [c.realism for c in checks], atol=1e-5)
    np.testing.assert_allclose(table.iou[0], [c.iou for c in checks], atol=1e-5)
    np.testing.assert_allclose(table.fit[0], [p.fit.value for p in proposals], atol=1e-5)
    np.testing.assert_array_equal(table.passed[0], [c.passed for c in checks])
    before, after = bench.places(np.stack([subject.face.crop, warp(images[0], subject.face.matrix)]))
    assert table.second[0, 0] == pytest.approx(np.linalg.norm(after - before), abs=1e-4)


def test_looks_come_back_out_of_a_table(bench: Bench, subject: Subject) -> None:
    rows = bench.pairs(subject, 1, 1, np.random.default_rng(0))
    (looks,) = bench.measure(subject, rows).faces
    np.testing.assert_array_equal(looks.row(), subject.looks.row())
    assert looks.male == pytest.approx(subject.looks.male)


def test_command_leaves_a_selector_that_loads(
    lfw: Path, recogniser: Path, subject: Subject, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("people = 2\nexam = 1\nstand_ins = 2\nsets = 1\nhidden = [4]\nepochs = 1\n")
    # The limits need two people to train on, who are here one and the same.
    monkeypatch.setattr(Table, "split", lambda table, name: join([table, table]))
    train.train_selector(lfw, tmp_path, recogniser, settings, lambda step, steps, note: None)
    assert len(read(tmp_path / "table.npz")) == 2
    item = tomllib.loads((tmp_path / "manifest.toml").read_text())["selector"]
    assert "2 stand-ins each" in item["data"]
    assert item["command"].startswith("deid train selector")
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    rows = bench.pairs(subject, 2, 1, np.random.default_rng(0))
    assert Selector().judge(subject.looks, bench.editor.portraits(), rows).value.shape == (2,)


def test_no_faces_is_an_error(lfw: Path, plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a face in at least one of 0 photos"):
        make([], tmp_path, plan)
    with pytest.raises(DataError, match="lfw-deepfunneled"):
        people(tmp_path, 1, 1, 0)


def test_file_of_something_else_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    for name in ("other.npz", "absent.npz"):
        with pytest.raises(DataError, match=name):
            read(tmp_path / name)
