"""The ledger: the result for every file and face, in one SQLite file that survives a kill at any moment.

It names every input and holds the seeds: it stays with those who hold the originals.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.core.errors import DataError
from deid.dataset import rows
from deid.dataset.database import Database
from deid.dataset.items import Item
from deid.dataset.records import Record, Task

_PAGE = 1000


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
        self._db = Database(path, rows.SCHEMA)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    def facts(self) -> dict[str, Any]:
        """Settings of the run at its start; empty for a new ledger."""
        return {key: json.loads(value) for key, value in self._db.execute("SELECT key, value FROM run ORDER BY key")}

    def begin(self, facts: dict[str, Any], items: Iterable[Item]) -> None:
        """Note what the run is and list its files, both or nothing.

        Files that are listed already keep their number, and what is done stays done; the others are to do again.
        """
        with self._db.transaction():
            self._db.execute_many("INSERT OR REPLACE INTO run VALUES (?, ?)", [(k, json.dumps(v)) for k, v in facts.items()])
            self._db.execute_many(
                """INSERT INTO files (name, kind, place, offset, length, boxes, box_rows, box_size, identity, status, why)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, place = excluded.place, offset = excluded.offset,
                length = excluded.length, boxes = excluded.boxes, box_rows = excluded.box_rows, box_size = excluded.box_size,
                identity = excluded.identity, status = excluded.status, why = excluded.why WHERE status != 'done'""",
                (rows.listed(item) for item in items),
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
            page = self._db.execute(
                f"SELECT {rows.ITEM} FROM files WHERE status = 'pending' AND id > ? ORDER BY id LIMIT {_PAGE}", (last,)
            ).fetchall()
            for row in page:
                yield row[0], rows.item(*row[1:])
                last = row[0]
            if not page:
                return

    def again(self, numbers: Iterable[int]) -> None:
        """Have files done once more."""
        with self._db.transaction():
            self._db.execute_many("UPDATE files SET status = 'pending' WHERE id = ?", [(number,) for number in numbers])

    def lose(self, numbers: Iterable[int], why: str) -> None:
        """Note that the outputs of files that were done are gone."""
        with self._db.transaction():
            self._db.execute_many("UPDATE files SET status = 'failed', why = ? WHERE id = ?", [(why, number) for number in numbers])
            self._db.execute("DELETE FROM faces WHERE file IN (SELECT id FROM files WHERE status = 'failed')")

    def store(self, record: Record, session: int) -> None:
        """Record the result for a file and its faces, both or neither."""
        with self._db.transaction():
            self._db.execute(
                "UPDATE files SET status = ?, why = ?, input_sha256 = ?, output_sha256 = ?, size = ?, seed = ?, seconds = ?, faces = ?, "
                "session = ? WHERE id = ?",
                (
                    record.status,
                    rows.plain(record.why),
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
            faces = (rows.face_row(record.number, i, face) for i, face in enumerate(record.faces))
            self._db.execute_many(f"INSERT INTO faces VALUES ({', '.join('?' * 20)})", faces)
            self._db.execute("DELETE FROM notes WHERE file = ?", (record.number,))
            self._db.execute_many("INSERT OR IGNORE INTO notes VALUES (?, ?)", [(record.number, rows.plain(n)) for n in record.notes])

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

    def number(self, name: str) -> int | None:
        """The number of the file with a name; None where it is not done."""
        row = self._db.execute("SELECT id FROM files WHERE name = ? AND status = 'done'", (rows.key(name),)).fetchone()
        return None if row is None else int(row[0])

    def select(self, query: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, for reports and checks; names as text."""
        return self._db.select(query, parameters)


def notes_of(ledger: Ledger) -> Iterator[tuple[str, int, str]]:
    """Each note on pictures that are done, how many have it, and the name of one of them; the most frequent first."""
    query = "SELECT note, COUNT(*), MIN(name) FROM notes JOIN files ON files.id = file WHERE status = 'done' GROUP BY note"
    yield from ((str(note), int(n), str(name)) for note, n, name in ledger.select(f"{query} ORDER BY COUNT(*) DESC, note"))
