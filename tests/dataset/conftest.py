"""Small data sets, and runs of them in this process."""

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.options import Options
from deid.dataset import local
from deid.dataset.crew import Ready
from deid.dataset.ledger import Ledger, Totals
from deid.dataset.records import Record, Task
from deid.dataset.run import Plan, run
from deid.dataset.work import Work, Worker

DRIVE = Path(__file__).with_name("drive.py")
_spec = importlib.util.spec_from_file_location("drive", DRIVE)
assert _spec is not None
assert _spec.loader is not None
drive = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(drive)


def photo(path: Path, seed: int = 0, first: tuple[int, int, int] = (9, 9, 9)) -> Path:
    """A picture of noise; what its first pixel is may set a trap for the engine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 250, (12, 16, 3), dtype=np.uint8)
    pixels[0, 0] = first
    PillowImage.fromarray(pixels).save(path)
    return path


@pytest.fixture
def make_photo() -> Callable[..., Path]:
    """The function `photo`."""
    return photo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of six photos in a tree, with labels of three kinds."""
    root = tmp_path / "in"
    for i, name in enumerate(["a.png", "b/1.png", "b/2.jpg", "b/deep/3.png", "c d/4\n5.png", "ж/ü.png"]):
        photo(root / name, i)
    (root / "annotations.json").write_text('{"images": [], "annotations": [{"bbox": [1, 1, 8, 8]}]}\n')
    (root / "b" / "1.xml").write_text("<annotation><object/></annotation>")
    (root / "b" / "2.txt").write_text("0 0.5 0.5 0.1 0.1\r\n")
    return root


def inline(tasks: Iterator[Task], work: Work, workers: int) -> Iterator[Record | Ready]:
    """The work of the processes, done here."""
    worker = Worker(work)
    yield Ready(worker.versions())
    for task in tasks:
        yield worker.do(task)


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Totals]:
    """Runs a data set in this process, with an engine that needs no models."""
    monkeypatch.setattr(local, "run", inline)

    def here(given: object, out: str = "out", **changes: Any) -> Totals:
        notify = changes.pop("notify", lambda totals, record: None)
        return run(plan(given, tmp_path / out, **changes), notify)

    return here


def plan(given: object, out: Path, **changes: Any) -> Plan:
    """A plan with the engine that needs no models."""
    options = changes.pop("options", Options(method="solid", seed=7))
    return Plan(given=str(given), out=out, options=options, make_engine=changes.pop("make_engine", drive.FastEngine), **changes)


@pytest.fixture
def fast_engine() -> Callable[..., Any]:
    """The engine that needs no models."""
    engine: Callable[..., Any] = drive.FastEngine
    return engine


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    """The function `plan`."""
    return plan


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Rows of a query to the ledger of a run."""

    def rows(query: str, out: str = "out") -> list[tuple[Any, ...]]:
        with Ledger(tmp_path / f"{out}.deid" / "ledger.sqlite") as ledger:
            return list(ledger.select(query))

    return rows


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder by name."""
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def hashes_of() -> Callable[[Path], dict[str, str]]:
    """The function `hashes`."""
    return hashes
