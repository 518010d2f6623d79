"""One row per file and per face, kept through kills, and by one process at a time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deid.core.errors import DataError
from deid.dataset.items import Item
from deid.dataset.ledger import Ledger, Totals, notes_of
from deid.dataset.records import Record

ITEMS = [
    Item("a.png", "/in/a.png"),
    Item("b\n.png", "/in/b\n.png", boxes=((1.0, 2.0, 3.0, 4.5),), identity="Ann"),
    Item("c.txt", "/in/c.txt", "label"),
    Item("d.bin", "/in/d.bin", "other", why="unknown"),
    Item("e", "/in/e", "broken", why="a loop"),
    Item("s.tar/f.png", "/in/s.tar", span=(512, 99)),
    Item(os.fsdecode(b"\xff.png"), os.fsdecode(b"/in/\xff.png")),
]
FACE = {
    "frame": 0, "status": "fallback", "method": "blur", "strength": 1.5, "seed": 2**64 - 1, "passed": True, "box_xyxy": [1, 2, 3, 4],
    "distances": [{"embedder": "e", "distance": 0.6, "threshold": 0.4, "passed": True}], "score": 0.9, "detector": "mtcnn",
    "redetected": False, "iou": 0.0, "realism": None, "gender_before": 0.5, "gender_after": 0.4, "attributes": {"Bangs": 1.0},
    "why": ["too near"],
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.begin({"seed": "7"}, ITEMS)
        yield ledger


def _record(number: int, name: str, **changes: object) -> Record:
    return replace(Record(number, name, "done", "", "aa", "bb", 10, 2**64 - 1, 0.5, False, (FACE, FACE)), **changes)  # type: ignore[arg-type]


def test_work_comes_back_as_it_was_listed(ledger: Ledger) -> None:
    tasks = dict(ledger.pending())
    assert tasks == {1: ITEMS[0], 2: ITEMS[1], 3: ITEMS[2], 6: ITEMS[5], 7: ITEMS[6]}
    assert ledger.facts() == {"seed": "7"}
    assert ledger.totals() == Totals(7, 0, 0, 1, 1, 5, 0, 0)


def test_what_is_done_is_done(ledger: Ledger) -> None:
    session = ledger.start_session("local", 2)
    ledger.store(_record(1, "a.png"), session)
    ledger.store(_record(3, "c.txt", label=True, faces=()), session)
    ledger.store(_record(6, "s.tar/f.png", status="failed", why="cut", faces=()), session)
    assert ledger.totals() == Totals(7, 1, 1, 2, 1, 2, 2, 2)
    assert [n for n, _ in ledger.pending()] == [2, 7]
    (row,) = ledger.select("SELECT seed, margin, attributes, why FROM faces WHERE file = 1 AND face = 1")
    assert row == (str(2**64 - 1), pytest.approx(1.5), '{"Bangs": 1.0}', '["too near"]')
    assert (ledger.number("a.png"), ledger.number("s.tar/f.png"), ledger.number("nothing")) == (1, None, None)


def test_notes_on_pictures_that_are_done_are_counted(ledger: Ledger) -> None:
    ledger.store(_record(1, "a.png", notes=("profile left out", "8 bits")), 1)
    ledger.store(_record(2, "b\n.png", notes=("profile left out",)), 1)
    ledger.store(_record(6, "s.tar/f.png", status="failed", why="cut", notes=("8 bits",), faces=()), 1)
    assert list(notes_of(ledger)) == [("profile left out", 2, "a.png"), ("8 bits", 1, "a.png")]
    ledger.store(_record(1, "a.png"), 1)
    assert list(notes_of(ledger)) == [("profile left out", 1, "b\n.png")]


def test_listing_again_keeps_numbers_and_what_is_done(ledger: Ledger) -> None:
    ledger.store(_record(1, "a.png"), 1)
    ledger.store(_record(2, "b\n.png", status="failed", why="cut", faces=()), 1)
    moved = replace(ITEMS[5], span=(1024, 99))
    ledger.begin({"seed": "7"}, [Item("0.png", "/in/0.png"), *ITEMS[:5], moved, ITEMS[6]])
    tasks = dict(ledger.pending())
    assert list(tasks) == [2, 3, 6, 7, 8]
    assert (tasks[6], tasks[8].name) == (moved, "0.png")


def test_broken_listing_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Item]:
        yield ITEMS[0]
        raise DataError("the shard ends here")

    with Ledger(tmp_path / "new.sqlite") as ledger:
        with pytest.raises(DataError, match="the shard ends here"):
            ledger.begin({"seed": "7"}, broken())
        assert (ledger.facts(), ledger.totals().files) == ({}, 0)


def test_pages_of_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deid.dataset.ledger._PAGE", 2)
    with Ledger(tmp_path / "new.sqlite") as ledger:
        ledger.begin({}, [Item(f"{i}.png", "") for i in range(7)])
        numbers = []
        for number, item in ledger.pending():
            ledger.store(_record(number, item.name), 1)
            numbers.append(number)
    assert numbers == [1, 2, 3, 4, 5, 6, 7]


def test_other_versions_are_refused(ledger: Ledger) -> None:
    ledger.note_versions(ledger.start_session("local", 1), {"torch": "2"})
    ledger.note_versions(ledger.start_session("local", 1), {"torch": "2"})
    with pytest.raises(DataError, match="torch 2 and 3"):
        ledger.note_versions(ledger.start_session("local", 1), {"torch": "3"})


def test_one_process_at_a_time(ledger: Ledger, tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from deid.dataset.ledger import Ledger; Ledger(Path(sys.argv[1]))"
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path / "ledger.sqlite")], capture_output=True, text=True)
    assert run.returncode != 0
    assert "another run has it open" in run.stderr


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match="cannot use the ledger"):
        Ledger(tmp_path / "x.sqlite")
