"""A SQLite file that one process has for itself, and that survives a kill at any moment."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deid.core.errors import DataError


class Database:
    """An open SQLite file.

    Args:
        path: of the file; made when it is not there.
        schema: what makes its tables.

    Raises:
        DataError: it is no database, or another process has it open.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        with self._errors_explained():
            self._connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
            # Held until the connection ends, also by a kill. A commit survives a kill of the process, the last few not a loss of power.
            self.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.execute("PRAGMA journal_mode = WAL")
            self.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(schema)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            busy = "; another run has it open" if "locked" in str(error) else ""
            raise DataError(f"cannot use the ledger {self._path}: {error}{busy}") from error
        except sqlite3.DatabaseError as error:
            raise DataError(f"cannot use the ledger {self._path}: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done inside, or nothing."""
        with self._errors_explained():
            self.execute("BEGIN")
            try:
                yield
            except BaseException:
                self.execute("ROLLBACK")
                raise
            self.execute("COMMIT")

    def execute(self, query: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(query, parameters)

    def execute_many(self, query: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run one statement for every row."""
        self._connection.executemany(query, rows)

    def select(self, query: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a query; names as text."""
        with self._errors_explained():
            for row in self.execute(query, parameters):
                yield tuple(os.fsdecode(value) if isinstance(value, bytes) else value for value in row)
