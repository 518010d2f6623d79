"""The ledger: the result for every file and face, in one SQLite file that survives a kill at any moment.

It names every input and holds the seeds: it stays with those who hold the originals.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.core.errors import DataError
from deid.dataset.sources import Item
from deid.dataset.work import Record, Task

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, engine TEXT NOT NULL, workers INTEGER NOT NULL, versions TEXT);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, name UNIQUE NOT NULL, kind TEXT NOT NULL, place NOT NULL, offset INTEGER, length INTEGER, boxes TEXT NOT NULL,
    box_rows TEXT NOT NULL, box_size TEXT NOT NULL, identity TEXT NOT NULL,
    status TEXT NOT NULL, why TEXT NOT NULL, input_sha256 TEXT, output_sha256 TEXT, size INTEGER, seed TEXT,
    seconds REAL, faces INTEGER, session INTEGER);
CREATE INDEX IF NOT EXISTS files_status ON files (status, id);
CREATE TABLE IF NOT EXISTS faces (
    file INTEGER NOT NULL, frame INTEGER NOT NULL, face INTEGER NOT NULL, status TEXT NOT NULL, method TEXT NOT NULL,
    strength REAL NOT NULL, seed TEXT NOT NULL, passed INTEGER NOT NULL, margin REAL, distances TEXT NOT NULL,
    box TEXT NOT NULL, score REAL NOT NULL,
    detector TEXT NOT NULL, redetected INTEGER NOT NULL, iou REAL NOT NULL, realism REAL, gender_before REAL, gender_after REAL,
    attributes TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (file, frame, face)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS faces_margin ON faces (status, margin);
"""
_ITEM = "id, name, place, kind, offset, length, boxes, box_rows, box_size, identity"
_PAGE = 1000
#: What a file begins as: only pictures and labels are work.
_FIRST = {"picture": "pending", "label": "pending", "other": "left out", "broken": "failed"}


@dataclass(frozen=True, slots=True)
class Totals:
    """Where a run stands.

    Args:
        files: that were listed.
        done: pictures that are written.
        labels: label files that are carried over.
        failed: files without an output.
        left_out: files that are neither pictures nor labels, and labels that must not be copied.
        pending: files that are still to do.
        faces: in the pictures that are done.
        fallback: faces with a stronger method than the requested one.
    """

    files: int = 0
    done: int = 0
    labels: int = 0
    failed: int = 0
    left_out: int = 0
    pending: int = 0
    faces: int = 0
    fallback: int = 0


class Ledger:
    """The record of one run. Only one process may have it open.

    Args:
        path: of the SQLite file; made when it is not there.

    Raises:
        DataError: it is no ledger, or another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._told():
            self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None)
            # Held until the connection ends, also by a kill. A commit survives a kill of the process, the last few not a loss of power.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            busy = "; another run has it open" if "locked" in str(error) else ""
            raise DataError(f"cannot use the ledger {self._path}: {error}{busy}") from error
        except sqlite3.DatabaseError as error:
            raise DataError(f"cannot use the ledger {self._path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            self._db.execute("BEGIN")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def facts(self) -> dict[str, Any]:
        """Settings of the run at its start; empty for a new ledger."""
        return {key: json.loads(value) for key, value in self._db.execute("SELECT key, value FROM run ORDER BY key")}

    def begin(self, facts: dict[str, Any], items: Iterable[Item]) -> None:
        """Note what the run is and list its files, both or nothing.

        Files that are listed already keep their number, and what is done stays done; the others are to do again.
        """
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", [(k, json.dumps(v)) for k, v in facts.items()])
            self._db.executemany(
                """INSERT INTO files (name, kind, place, offset, length, boxes, box_rows, box_size, identity, status, why)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, place = excluded.place, offset = excluded.offset,
                length = excluded.length, boxes = excluded.boxes, box_rows = excluded.box_rows, box_size = excluded.box_size,
                identity = excluded.identity, status = excluded.status, why = excluded.why WHERE status != 'done'""",
                (_listed(item) for item in items),
            )

    def note(self, key: str, value: object) -> None:
        """Set one fact about the run."""
        self._db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value)))

    def start_session(self, engine: str, workers: int) -> int:
        """The number of this sitting of the run."""
        return int(self._db.execute("INSERT INTO sessions (engine, workers) VALUES (?, ?)", (engine, workers)).lastrowid or 0)

    def note_versions(self, session: int, versions: dict[str, str]) -> None:
        """What the workers run with.

        Raises:
            DataError: the run began with other versions, which may give other pictures.
        """
        for (known,) in self._db.execute("SELECT versions FROM sessions WHERE versions IS NOT NULL ORDER BY id LIMIT 1"):
            differing = [f"{k} {json.loads(known).get(k)} and {v}" for k, v in versions.items() if json.loads(known).get(k) != v]
            if differing:
                raise DataError(f"expected the versions that the run began with, got {', '.join(differing)}; begin a new run")
        self._db.execute("UPDATE sessions SET versions = ? WHERE id = ?", (json.dumps(versions), session))

    def pending(self) -> Iterator[Task]:
        """Files to do, in the order of the listing; rows that change meanwhile do no harm."""
        last = 0
        while True:
            rows = self._db.execute(
                f"SELECT {_ITEM} FROM files WHERE status = 'pending' AND id > ? ORDER BY id LIMIT {_PAGE}", (last,)
            ).fetchall()
            for row in rows:
                yield row[0], _item(*row[1:])
                last = row[0]
            if not rows:
                return

    def done(self) -> list[tuple[int, Item, str]]:
        """Number, file and input hash of every picture that is done."""
        query = f"SELECT input_sha256, {_ITEM} FROM files WHERE status = 'done' AND kind = 'picture' ORDER BY id"
        return [(row[1], _item(*row[2:]), row[0] or "") for row in self._db.execute(query)]

    def boxes(self, number: int) -> list[tuple[int, list[float]]]:
        """Frame and box of each face of a file."""
        query = "SELECT frame, box FROM faces WHERE file = ? ORDER BY frame, face"
        return [(frame, json.loads(box)) for frame, box in self._db.execute(query, (number,))]

    def again(self, numbers: Iterable[int]) -> None:
        """Have files done once more."""
        with self._transaction():
            self._db.executemany("UPDATE files SET status = 'pending' WHERE id = ?", [(number,) for number in numbers])

    def lose(self, numbers: Iterable[int], why: str) -> None:
        """Note that the outputs of files that were done are gone."""
        with self._transaction():
            self._db.executemany("UPDATE files SET status = 'failed', why = ? WHERE id = ?", [(why, number) for number in numbers])
            self._db.execute("DELETE FROM faces WHERE file IN (SELECT id FROM files WHERE status = 'failed')")

    def store(self, record: Record, session: int) -> None:
        """Record the result for a file and its faces, both or neither."""
        with self._transaction():
            self._db.execute(
                "UPDATE files SET status = ?, why = ?, input_sha256 = ?, output_sha256 = ?, size = ?, seed = ?, seconds = ?, faces = ?, "
                "session = ? WHERE id = ?",
                (
                    record.status,
                    _plain(record.why),
                    record.input_sha256 or None,
                    record.output_sha256 or None,
                    record.size,
                    str(record.seed),
                    record.seconds,
                    len(record.faces),
                    session,
                    record.number,
                ),
            )
            self._db.execute("DELETE FROM faces WHERE file = ?", (record.number,))
            rows = (_face(record.number, i, face) for i, face in enumerate(record.faces))
            self._db.executemany(f"INSERT INTO faces VALUES ({', '.join('?' * 20)})", rows)

    def totals(self) -> Totals:
        """Where the run stands."""
        counts: dict[tuple[str, str], int] = {}
        for kind, status, n in self._db.execute("SELECT kind, status, COUNT(*) FROM files GROUP BY kind, status"):
            counts[kind, status] = n
        faces, fallback = self._db.execute("SELECT COUNT(*), COALESCE(SUM(status = 'fallback'), 0) FROM faces").fetchone()

        def count(status: str) -> int:
            return sum(n for (_, s), n in counts.items() if s == status)

        done = {kind: counts.get((kind, "done"), 0) for kind in ("picture", "label")}
        return Totals(
            sum(counts.values()),
            done["picture"],
            done["label"],
            count("failed"),
            count("left out"),
            count("pending"),
            faces,
            fallback,
        )

    def select(self, query: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, for reports and checks; names as text."""
        with self._told():
            for row in self._db.execute(query, parameters):
                yield tuple(os.fsdecode(value) if isinstance(value, bytes) else value for value in row)

    def outputs(self) -> Iterator[tuple[Any, ...]]:
        """Number, name and output hash of every file that is done."""
        yield from self.select("SELECT id, name, output_sha256 FROM files WHERE status = 'done' ORDER BY id")

    def part(self, read: Callable[[int, str], bytes]) -> Callable[[str], bytes | None]:
        """What gives the bytes of the part with a name; None where nothing is done."""

        def bytes_of(name: str) -> bytes | None:
            row = self._db.execute("SELECT id FROM files WHERE name = ? AND status = 'done'", (_key(name),)).fetchone()
            return None if row is None else read(row[0], name)

        return bytes_of


def _key(name: str) -> str | bytes:
    """A file name as SQLite takes it: bytes where they are no UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def _text(name: str | bytes) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else name


def _listed(item: Item) -> tuple[Any, ...]:
    offset, length = item.span or (None, None)
    said = (json.dumps(item.boxes), json.dumps(item.rows), json.dumps(item.size), _plain(item.identity))
    return (_key(item.name), item.kind, _key(item.place), offset, length, *said, _FIRST[item.kind], _plain(item.why))


def _plain(text: str) -> str:
    """Text that SQLite takes: file names may hold bytes that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _item(
    name: str | bytes, place: str | bytes, kind: Any, offset: int | None, length: int, boxes: str, rows: str, size: str, identity: str
) -> Item:
    span = None if offset is None else (offset, length)
    faces = tuple(tuple(box) for box in json.loads(boxes))
    whole = json.loads(size)
    return Item(_text(name), _text(place), kind, span, faces, tuple(json.loads(rows)), whole and (whole[0], whole[1]), identity)


def _face(number: int, index: int, face: dict[str, Any]) -> tuple[Any, ...]:
    margins = [d["distance"] / d["threshold"] for d in face["distances"]]
    return (
        number,
        face["frame"],
        index,
        face["status"],
        face["method"],
        face["strength"],
        # Seeds have 64 bits; SQLite's integers have a sign.
        str(face["seed"]),
        face["passed"],
        min(margins, default=None),
        json.dumps(face["distances"]),
        json.dumps(face["box_xyxy"]),
        face["score"],
        face["detector"],
        face["redetected"],
        face["iou"],
        face["realism"],
        face["gender_before"],
        face["gender_after"],
        json.dumps(face["attributes"]),
        json.dumps(face["why"]),
    )
