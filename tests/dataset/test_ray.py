"""The same files from Ray's actors, on a cluster of one node, with and without deaths."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deid.dataset.ledger import Ledger

ray = pytest.importorskip("ray", reason="the engine 'ray' needs ray: pip install 'deid-face[ray]'")

DRIVE = Path(__file__).with_name("drive.py")
HASHES = "SELECT id, name, status, input_sha256, output_sha256, seed, faces FROM files ORDER BY id"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of one node, started as on a cluster of many, and ended by its own process alone."""
    address = f"127.0.0.1:{_free_port()}"
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", f"--port={address.rpartition(':')[2]}", "--num-cpus=2"]
    quiet = ["--include-dashboard=false", "--disable-usage-stats", "--block"]
    node = subprocess.Popen([*command, *quiet], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert node.stdout is not None
    try:
        lines = []
        while not lines or "runtime started" not in lines[-1]:
            lines.append(node.stdout.readline())
            if not lines[-1]:
                _skip_if_too_busy("".join(lines))
                pytest.fail("".join(lines))
        yield address
    finally:
        node.terminate()
        node.communicate(timeout=60)


def _skip_if_too_busy(lines: str) -> None:
    """Ray gives its own processes 30 s to start, whatever the machine has to do besides."""
    if "timed out during startup" in lines:
        pytest.skip("Ray did not start within its own limit of 30 s: the machine is too busy")


@pytest.fixture
def many(make_photo: Any, tmp_path: Path) -> Path:
    for i in range(20):
        make_photo(tmp_path / "in" / f"{i}.png", i)
    (tmp_path / "in" / "list.txt").write_text("0.png\n")
    return tmp_path / "in"


def _driven(*arguments: object, **environment: object) -> subprocess.CompletedProcess[str]:
    values = {name: str(value) for name, value in environment.items()}
    command = [sys.executable, str(DRIVE), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | values)


def _rows(out: Path, query: str) -> list[tuple[Any, ...]]:
    with Ledger(out.with_name(out.name + ".deid") / "ledger.sqlite") as ledger:
        return list(ledger.select(query))


def test_ray_equals_local_and_survives_deaths(many: Path, make_photo: Any, cluster: str, hashes_of: Any, tmp_path: Path) -> None:
    make_photo(many / "15.png", 15, (0, 0, 255))
    local, out = tmp_path / "local", tmp_path / "out"
    run = _driven(many, local, 1, ONCE=tmp_path)
    assert run.returncode == 0, run.stderr
    # One actor dies of a photo that kills the first who meets it.
    run = _driven(many, out, 2, "ray", CLUSTER=cluster, ONCE=tmp_path / "met")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "met").exists()
    assert hashes_of(out) == hashes_of(local)
    assert _rows(out, HASHES) == _rows(local, HASHES)
    assert _rows(out, "SELECT engine, workers FROM sessions") == [("ray", 2)]


def test_actor_that_cannot_load_its_models_ends_the_run(many: Path, cluster: str, tmp_path: Path) -> None:
    run = _driven(many, tmp_path / "out", 2, "ray", "--unfit", CLUSTER=cluster)
    assert run.returncode != 0
    assert "no such model" in run.stderr


def test_ray_starts_by_itself(many: Path, tmp_path: Path) -> None:
    run = _driven(many, tmp_path / "out", 2, "ray")
    _skip_if_too_busy(run.stderr)
    assert run.returncode == 0, run.stderr
    assert "done=20, labels=1, failed=0" in run.stdout
