import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.check.folders import FilePair
from deid.core.errors import DataError
from deid.core.protocols import Embedder
from evaluation.faces import Face
from evaluation.new_faces import NewFace
from evaluation.studies import StudyOptions, clones
from evaluation.studies.clones import Rows, again_lines, pair_lines, portrait_lines, read_bank, share_of_pairs, shared_lines

_EVERY = {"all": np.ones(6, bool), "female": np.array([1, 1, 1, 0, 0, 0], bool), "male": np.array([0, 0, 0, 0, 0, 1], bool)}
_PEOPLE = list("abcdef")


def _rows(after: NDArray[np.float64]) -> Rows:
    before = np.eye(6, dtype=np.float32)
    return Rows("r", before, np.asarray(after, np.float32), 0.5, "by hand")


def test_two_equal_faces_in_six_are_one_pair_of_fifteen() -> None:
    after = np.eye(6)
    after[1] = after[0]
    found = {(m.name, m.group): m for m in pair_lines(_rows(after), _PEOPLE, _EVERY, 0)}
    pairs = found["pairs taken for one person", "all"]
    assert (pairs.value, pairs.n, pairs.control, pairs.chance) == (pytest.approx(1 / 15), 15, 0.0, 1e-3)
    assert pairs.low <= 1 / 15 <= pairs.high
    assert found["pairs taken for one person", "female"].value == pytest.approx(1 / 3)
    # One man makes no pair.
    assert ("pairs taken for one person", "male") not in found
    assert found["mean distance of a pair", "all"].value == pytest.approx(14 / 15 * np.sqrt(2))


def test_no_pair_of_many_is_not_certainly_none() -> None:
    found = share_of_pairs(np.zeros((40, 40), bool), [str(i) for i in range(40)], 0)
    assert (found.value, found.n, found.n_groups) == (0.0, 780, 40)
    # Clopper-Pearson of 0 in 20.
    assert found.high == pytest.approx(0.168, abs=1e-3)


def test_one_face_for_everybody_is_all_pairs() -> None:
    assert pair_lines(_rows(np.tile(np.eye(6)[:1], (6, 1))), _PEOPLE, _EVERY, 0)[0].value == 1.0


def test_pairs_with_a_portrait_in_common_are_told_apart() -> None:
    after = np.eye(6)
    after[1] = after[0]
    lines = shared_lines(_rows(after), [(1, 2), (2, 3), (3, 4), (), (7,), (8,)])
    assert [(m.name.split(" portrait")[0], m.value, m.n) for m in lines] == [("a", 0.5, 2), ("no", 0.0, 13)]
    assert shared_lines(_rows(after), [()] * 6) == []


def test_a_face_that_is_its_portrait_is_told() -> None:
    table, own = np.full((6, 4), 0.1), np.zeros((6, 4), bool)
    own[:, 0] = True
    table[0, 0] = 1.0
    share, gap = portrait_lines(_rows(np.eye(6)), table, own, _PEOPLE, 0)
    assert (share.value, share.control) == (pytest.approx(1 / 6), 0.0)
    assert (gap.value, gap.control) == (pytest.approx(5 / 6 * np.sqrt(1.8)), pytest.approx(np.sqrt(1.8)))


def test_a_second_run_with_the_same_faces_is_told(recogniser: Embedder, make_person: Callable[[int, int], NDArray[np.uint8]]) -> None:
    crops = np.stack([make_person(i, 0) for i in range(6)])
    rows = Rows("r", recogniser.embed(crops), recogniser.embed(crops), 0.9, "")
    (same,) = again_lines(rows, recogniser, {0: crops[0], 3: make_person(3, 1), 5: make_person(9, 0)}, _PEOPLE, 0)
    assert (same.value, same.n) == (pytest.approx(2 / 3), 3)
    assert again_lines(rows, recogniser, {}, _PEOPLE, 0) == []


def test_a_bank_is_read_from_a_tar_or_a_folder(tmp_path: Path) -> None:
    names = ("0003.webp", "0011.webp", "about.txt")
    with tarfile.open(tmp_path / "bank.tar", "w") as tar:
        for i, name in enumerate(names):
            buffer = io.BytesIO()
            PillowImage.new("RGB", (384, 384), (50 * i, 9, 9)).save(buffer, "WEBP")
            (tmp_path / "bank").mkdir(exist_ok=True)
            (tmp_path / "bank" / name).write_bytes(buffer.getvalue())
            tar.add(tmp_path / "bank" / name, name)
    for path in (tmp_path / "bank.tar", tmp_path / "bank"):
        found = read_bank(path)
        assert sorted(found) == [3, 11]
        assert found[11].shape == (128, 128, 3)
        assert abs(int(found[11][0, 0, 0]) - 50) < 5
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="got none in"):
        read_bank(tmp_path / "empty")


def test_the_study_runs_on_people_of_noise(
    monkeypatch: pytest.MonkeyPatch, make_face: Callable[..., Face], recogniser: Embedder, make_person: Callable[..., NDArray[np.uint8]]
) -> None:
    faces = [make_face(i, 0, make_person(100 + i, 0)) for i in range(48)]
    found = [NewFace(FilePair(f.file, f.identity, Path(f.file), None), f, (i // 2,)) for i, f in enumerate(faces)]
    monkeypatch.setattr(clones, "new_faces", lambda *unused, **given: iter(found))
    monkeypatch.setattr(StudyOptions, "pairs", lambda self, shuffled: [])
    monkeypatch.setattr(clones.recognisers, "load", lambda: [recogniser])
    results = clones.clones(StudyOptions(people=47))
    assert results.settings["people"] == 47
    line = results.find("pairs taken for one person")
    assert (line.n, line.control) == (47 * 46 // 2, pytest.approx(1e-3, abs=1e-3))
    assert "pairs of strangers of this run" in line.note
    assert results.find("a portrait in common: pairs taken for one person").n == 23
