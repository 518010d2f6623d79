"""What is wrong with an output is found: changed, cut, missing, foreign, not passed."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deid.dataset.run import Plan, check
from deid.exceptions import DataError


@pytest.fixture
def problems(folder: Path, run_here: Callable[..., Any], tmp_path: Path, make_plan: Callable[..., Plan]) -> Callable[[], dict[str, str]]:
    """Runs a data set; then says what is wrong with it."""
    run_here(folder)
    return lambda: {p.name: p.what for p in check(make_plan(folder, tmp_path / "out"))}


def test_good_output(problems: Callable[[], dict[str, str]]) -> None:
    assert problems() == {}


def _change(out: Path) -> None:
    data = bytearray((out / "a.png").read_bytes())
    data[len(data) // 2] ^= 1
    (out / "a.png").write_bytes(data)


def _cut(out: Path) -> None:
    (out / "a.png").write_bytes((out / "a.png").read_bytes()[:-1])


def _put_back(out: Path) -> None:
    (out / "a.png").write_bytes((out.parent / "in" / "a.png").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "name", "what"),
    [
        (_change, "a.png", "it was changed or cut"),
        (_cut, "a.png", "it was changed or cut"),
        (_put_back, "a.png", "it was changed or cut"),
        (lambda out: (out / "a.png").write_bytes(b""), "a.png", "it was changed or cut"),
        (lambda out: (out / "b" / "1.xml").write_text("<annotation/>"), "b/1.xml", "it was changed or cut"),
        (lambda out: (out / "ж" / "ü.png").unlink(), "ж/ü.png", "is missing"),
        (lambda out: (out / "b" / "bare.png").write_bytes(b"x"), "b/bare.png", "not in the ledger"),
    ],
    ids=["changed", "cut", "original put back", "emptied", "label changed", "missing", "foreign"],
)
def test_spoilt_output(spoil: Callable[[Path], None], name: str, what: str, problems: Callable[[], dict[str, str]], tmp_path: Path) -> None:
    spoil(tmp_path / "out")
    found = problems()
    assert set(found) == {name}
    assert what in found[name]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE faces SET passed = 0 WHERE file = 1", "did not pass"),
        ("""UPDATE faces SET method = 'blur', distances = '[{"distance": 0.3, "threshold": 0.4}]' WHERE file = 1""", "did not pass"),
        ("DELETE FROM faces WHERE file = 1", "fewer or more faces"),
        ("UPDATE files SET status = 'pending' WHERE id = 1", "was not done"),
        ("UPDATE files SET status = 'failed', why = 'cut' WHERE id = 1", "failed: cut"),
    ],
    ids=["not passed", "too near", "faces lost", "pending", "failed"],
)
def test_ledger_that_tells_of_bare_faces(change: str, what: str, problems: Callable[[], dict[str, str]], tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "out.deid" / "ledger.sqlite") as db:
        db.execute(change)
    db.close()
    ((name, told), *more) = problems().items()
    assert name == "a.png"
    assert what in told or "not in the ledger" in told
    assert not more


def test_no_run_is_an_error(folder: Path, make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the ledger of a run"):
        list(check(make_plan(folder, tmp_path / "nowhere")))
