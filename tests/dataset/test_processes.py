"""Real worker processes: killed with their run or alone, they cost no file and change none."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deid.dataset.ledger import Ledger

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")

DRIVE = Path(__file__).with_name("drive.py")
N_PHOTOS = 40
HASHES = "SELECT id, name, status, input_sha256, output_sha256, seed, faces FROM files ORDER BY id"


@pytest.fixture
def many(make_photo: Callable[..., Path], tmp_path: Path) -> Path:
    """Small photos, with a label file among them."""
    for i in range(N_PHOTOS):
        make_photo(tmp_path / "in" / f"{i % 3}" / f"{i}.png", i)
    (tmp_path / "in" / "list.txt").write_text("0/0.png\n")
    return tmp_path / "in"


def _started(*arguments: object, **environment: object) -> subprocess.Popen[str]:
    values = {name: str(value) for name, value in environment.items()}
    command = [sys.executable, str(DRIVE), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | values)


def _finished(*arguments: object, **environment: object) -> str:
    run = _started(*arguments, **environment)
    out, error = run.communicate(timeout=180)
    assert run.returncode == 0, error
    return out


def _rows(out: Path, query: str) -> list[tuple[Any, ...]]:
    with Ledger(out.with_name(out.name + ".deid") / "ledger.sqlite") as ledger:
        return list(ledger.select(query))


def _n_written(out: Path) -> int:
    return sum(p.is_file() for p in out.rglob("*")) if out.exists() else 0


def _wait_for(n: int, out: Path, run: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while _n_written(out) < n and run.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.002)


def _alive(parent: int) -> list[int]:
    """Processes that a parent started and that live."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def test_killed_and_resumed_run_with_two_workers_equals_an_unbroken_one_with_one(many: Path, hashes_of: Any, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    _finished(many, whole)
    rng, flags = random.Random(0), []
    for _ in range(3):
        run = _started(many, out, 2, *flags, SLOW=0.02)
        _wait_for(_n_written(out) + rng.randint(1, 8), out, run)
        time.sleep(rng.uniform(0, 0.05))
        run.send_signal(signal.SIGKILL)
        run.communicate()
        flags = ["--resume"]
    done = {row[0] for row in _rows(out, "SELECT id FROM files WHERE status = 'done'")}
    assert 0 < len(done) < N_PHOTOS + 1
    stamps = _rows(out, "SELECT id, session, seconds FROM files WHERE status = 'done' ORDER BY id")
    _finished(many, out, 2, "--resume")
    assert hashes_of(out) == hashes_of(whole)
    assert _rows(out, HASHES) == _rows(whole, HASHES)
    # What was done before the last sitting was not done again.
    assert [row for row in _rows(out, "SELECT id, session, seconds FROM files ORDER BY id") if row[0] in done] == stamps


def test_workers_end_with_a_run_that_is_killed(many: Path, tmp_path: Path) -> None:
    run = _started(many, tmp_path / "out", 2, SLOW=0.05)
    _wait_for(2, tmp_path / "out", run)
    workers = _alive(run.pid)
    assert len(workers) >= 2
    run.send_signal(signal.SIGKILL)
    run.communicate()
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_killed_worker_costs_no_file_and_a_deadly_file_costs_itself_alone(many: Path, make_photo: Any, tmp_path: Path) -> None:
    make_photo(many / "0" / "once.png", first=(0, 0, 255))
    make_photo(many / "1" / "deadly.png", first=(0, 255, 0))
    run = _started(many, tmp_path / "out", 2, ONCE=tmp_path / "met")
    out, error = run.communicate(timeout=180)
    assert run.returncode == 1, error
    assert re.search(r"done=41, labels=1, failed=1, left_out=0, pending=0", out), out
    ((name, why),) = _rows(tmp_path / "out", "SELECT name, why FROM files WHERE status = 'failed'")
    assert name == "1/deadly.png"
    assert why == "3 workers ended while they worked on it: signal SIGKILL"
    assert _n_written(tmp_path / "out") == 42


def test_models_that_cannot_be_loaded_end_the_run(many: Path, tmp_path: Path) -> None:
    run = _started(many, tmp_path / "out", 2, "--unfit")
    _, error = run.communicate(timeout=180)
    assert run.returncode != 0
    assert "FileNotFoundError: no such model" in error
    assert _n_written(tmp_path / "out") == 0
