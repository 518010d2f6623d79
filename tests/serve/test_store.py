"""The private folder."""

import os
import subprocess
import sys
from pathlib import Path

from deid.serve.store import Store


def test_folders_are_closed_to_others_and_go_with_the_store(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        folder = store.folder()
        (folder / "upload.jpg").write_bytes(b"x")
        assert {path.stat().st_mode & 0o777 for path in (store.root, folder)} == {0o700}
    assert not list(tmp_path.iterdir())


def test_the_leftovers_of_a_killed_server_are_deleted_and_a_running_ones_stay(tmp_path: Path) -> None:
    code = (
        f"from deid.serve.store import Store; import os; s = Store(__import__('pathlib').Path({str(tmp_path)!r})); s.folder(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ}).returncode == 9
    (left,) = tmp_path.iterdir()
    with Store(tmp_path) as first:
        assert not left.exists()
        with Store(tmp_path):
            assert first.root.is_dir()


def test_foreign_folders_of_that_name_stay(tmp_path: Path) -> None:
    (tmp_path / "deid-serve-mine").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "in-use").write_bytes(b"")
    (tmp_path / "deid-serve-link").symlink_to(elsewhere)
    with Store(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"deid-serve-mine", "deid-serve-link", "elsewhere"}
