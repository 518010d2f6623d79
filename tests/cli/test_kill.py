"""Killed at any moment, a run leaves whole pictures or none."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.types import Image

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")

N_PHOTOS = 30


def _complete(folder: Path) -> int:
    """How many files there are; each is a whole picture, and nothing else lies there."""
    files = sorted(folder.rglob("*")) if folder.exists() else []
    for path in files:
        assert path.suffix == ".png", path
        assert not path.name.startswith("."), path
        data = path.read_bytes()
        assert data.endswith(b"IEND\xaeB`\x82"), path
        with PillowImage.open(io.BytesIO(data)) as picture:
            picture.load()
    return len(files)


@pytest.fixture(scope="module")
def photos(hopper: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos without a face: they take little work and much writing."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    PillowImage.fromarray(hopper[:160]).save(folder / "00.png")
    for i in range(1, N_PHOTOS):
        PillowImage.fromarray(rng.integers(100, 130, (120, 160, 3), dtype=np.uint8)).save(folder / f"{i:02}.png")
    return folder


def _heed_interrupts() -> None:
    """A run that is started in the background inherits an ignored Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _started(photos: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deid", "run", str(photos), "-o", str(out), "--method", "solid"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_heed_interrupts)


@pytest.mark.parametrize("wait_s", [0.0, 0.4], ids=["at the first file", "later"])
def test_killed_run_leaves_whole_pictures(wait_s: float, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = _started(photos, out)
    try:
        until = time.monotonic() + 120
        while not (out.exists() and any(out.iterdir())):
            assert run.poll() is None, "the run ended before it wrote a file"
            assert time.monotonic() < until
            time.sleep(0.002)
        time.sleep(wait_s)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert 1 <= _complete(out) <= N_PHOTOS


WRITER = """
import itertools, os, sys
from pathlib import Path
from deid.imaging import atomic
data = Path(sys.argv[1]).read_bytes()
print("ready", flush=True)
for i in itertools.count():
    atomic.write(data, Path(sys.argv[2]) / f"{i}.png")
"""


def _writers(photo: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    for i in range(8):
        out = tmp_path / str(i)
        yield subprocess.Popen([sys.executable, "-c", WRITER, str(photo), str(out)], stdout=subprocess.PIPE), out


def test_killed_writer_leaves_whole_files(tmp_path: Path) -> None:
    """Writing alone, so that nearly every kill falls into it: 3 MB a file."""
    photo = tmp_path / "noise.png"
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    PillowImage.fromarray(noise).save(photo, compress_level=0)
    data, rng, n_files = photo.read_bytes(), np.random.default_rng(1), 0
    for run, out in _writers(photo, tmp_path):
        assert run.stdout is not None
        with run.stdout as stream:
            assert stream.readline() == b"ready\n"
            time.sleep(float(rng.uniform(0.0, 0.1)))
            run.send_signal(signal.SIGKILL)
            run.wait()
        for path in out.rglob("*") if out.exists() else ():
            assert not path.name.startswith(".")
            assert path.read_bytes() == data
            n_files += 1
    assert n_files > 0


def test_interrupt_ends_the_run_cleanly(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = _started(photos, out)
    until = time.monotonic() + 120
    while not (out.exists() and any(out.iterdir())) and time.monotonic() < until:
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) != 0
    assert 1 <= _complete(out) < N_PHOTOS


def test_the_check_itself_sees_partial_files(tmp_path: Path) -> None:
    whole = io.BytesIO()
    PillowImage.new("RGB", (60, 60), (1, 2, 3)).save(whole, "PNG")
    (tmp_path / "a.png").write_bytes(whole.getvalue())
    assert _complete(tmp_path) == 1
    (tmp_path / "a.png").write_bytes(whole.getvalue()[:-20])
    with pytest.raises((AssertionError, OSError, SyntaxError)):
        _complete(tmp_path)
    (tmp_path / "a.png").write_bytes(whole.getvalue())
    (tmp_path / f".b.png.{os.getpid()}.part").write_bytes(whole.getvalue())
    with pytest.raises(AssertionError):
        _complete(tmp_path)
