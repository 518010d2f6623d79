"""Names as long as the system allows, and folders without files that have no name."""

import os
from pathlib import Path

import pytest

from deid.imaging import atomic

LONG = "ä" * 123 + ".png"


@pytest.fixture(params=["nameless files", "a network folder"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "a network folder":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return tmp_path


def test_long_names_are_written_and_replaced(folder: Path) -> None:
    assert len(os.fsencode(LONG)) == 250
    atomic.write(b"a", folder / LONG)
    atomic.write(b"b", folder / LONG, overwrite=True)
    assert (folder / LONG).read_bytes() == b"b"
    assert [p.name for p in folder.iterdir()] == [LONG]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_is_the_users(mask: int, mode: int, folder: Path) -> None:
    before = os.umask(mask)
    try:
        atomic.write(b"a", folder / "a.png")
    finally:
        os.umask(before)
    assert (folder / "a.png").stat().st_mode & 0o777 == mode


def test_a_write_that_fails_leaves_nothing(folder: Path) -> None:
    with pytest.raises(RuntimeError), atomic.anonymous_file(folder):
        raise RuntimeError
    assert list(folder.iterdir()) == []
