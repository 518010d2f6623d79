from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.check.folders import FilePair, Problem, identity_of, pair_folders, read_pairs
from deid.core.errors import DataError


@pytest.mark.parametrize(
    ("name", "identity"),
    [("Ada_Byron_0002.jpg", "Ada_Byron"), ("ada/7.png", "ada"), ("x/ada/7.png", "x/ada"), ("1234.jpg", "1234"), ("me-3.webp", "me")],
)
def test_identity(name: str, identity: str) -> None:
    assert identity_of(name) == identity


def _save(path: Path, size: tuple[int, int] = (12, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), 99, np.uint8)).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    before, after = tmp_path / "before", tmp_path / "after"
    for name in ("good", "missing", "cut", "empty", "small", "broken"):
        _save(before / f"{name}.png")
    for name in ("good", "cut", "small", "extra", "broken"):
        _save(after / f"{name}.png", (6, 5) if name == "small" else (12, 10))
    (after / "cut.png").write_bytes((after / "cut.png").read_bytes()[:40])
    (after / "empty.png").write_bytes(b"")
    (before / "broken.png").write_bytes(b"no picture")
    return before, after


def _read(folders: tuple[Path, Path]) -> tuple[list[object], list[Problem]]:
    pairs, problems = pair_folders(*folders)
    return list(read_pairs(pairs, problems)), problems


def test_everything_that_is_wrong_is_listed(folders: tuple[Path, Path]) -> None:
    found, problems = _read(folders)
    assert {(p.file, p.kind) for p in problems} == {
        ("missing.png", "missing"),
        ("extra.png", "extra"),
        ("cut.png", "unreadable"),
        ("empty.png", "unreadable"),
        ("broken.png", "unreadable"),
        ("small.png", "size"),
    }
    assert sum(pair is None for pair in found) == 1


def test_an_output_that_is_gone_still_counts(folders: tuple[Path, Path]) -> None:
    pairs, _ = _read(folders)
    kept = {p.pair.name: p for p in pairs if p is not None}  # type: ignore[attr-defined]
    assert kept["missing.png"].after is None
    assert kept["cut.png"].after is None
    assert kept["small.png"].after.shape == (10, 12, 3)
    assert kept["good.png"].lossless
    assert not kept["small.png"].lossless


def test_a_changed_suffix_still_pairs(tmp_path: Path) -> None:
    _save(tmp_path / "a/x/1.jpg")
    _save(tmp_path / "b/x/1.png")
    pairs, problems = pair_folders(tmp_path / "a", tmp_path / "b")
    assert pairs == [FilePair("x/1.jpg", "x", tmp_path / "a/x/1.jpg", tmp_path / "b/x/1.png")]
    assert problems == []


def test_an_empty_or_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected photos"):
        pair_folders(tmp_path, tmp_path)
    with pytest.raises(DataError, match="expected a folder"):
        pair_folders(tmp_path / "nowhere", tmp_path)
