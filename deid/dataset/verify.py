"""Proves that an output is what the ledger says: every file there, whole, and passed, and nothing else."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deid.dataset.ledger import Ledger
from deid.dataset.sources import Source
from deid.exceptions import ImageReadError


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one output.

    Args:
        name: of the file.
        what: is wrong.
    """

    name: str
    what: str


def verify(ledger: Ledger, source: Source, out: Path) -> Iterator[Problem]:
    """Walk the output again.

    Args:
        ledger: of the run.
        source: the data set, which knows how its outputs lie.
        out: the output.

    Returns:
        What is wrong; nothing when every listed file is accounted for.
    """
    yield from _unfinished(ledger)
    yield from _not_passed(ledger)
    expected = {name: sha256 for _, name, sha256 in ledger.outputs()}
    for name, read in source.outputs(out):
        sha256 = expected.pop(name, None)
        if sha256 is None:
            yield Problem(name, "is in the output but not in the ledger")
            continue
        try:
            found = hashlib.sha256(read()).hexdigest()
        except (OSError, ImageReadError) as error:
            yield Problem(name, f"cannot be read: {error}")
            continue
        if found != sha256:
            yield Problem(name, f"expected sha256 {sha256[:12]}, got {found[:12]}: it was changed or cut after it was written")
    for name in expected:
        yield Problem(name, "is missing")


def _unfinished(ledger: Ledger) -> Iterator[Problem]:
    for name, status, why in ledger.select("SELECT name, status, why FROM files WHERE status IN ('pending', 'failed') ORDER BY id"):
        yield Problem(name, f"failed: {why}" if status == "failed" else "was not done; run again with --resume")


def _not_passed(ledger: Ledger) -> Iterator[Problem]:
    """Faces that no gate let pass, judged by the distances that were stored and not by the word that was."""
    for (name,) in ledger.select(
        "SELECT name FROM files WHERE status = 'done' AND faces != (SELECT COUNT(*) FROM faces WHERE file = files.id)"
    ):
        yield Problem(name, "has fewer or more faces in the ledger than were found in it")
    query = "SELECT name, method, passed, distances FROM faces JOIN files ON files.id = faces.file WHERE files.status = 'done'"
    for name, method, passed, distances in ledger.select(query):
        far = all(d["distance"] > d["threshold"] for d in json.loads(distances))
        # One colour hides a face whatever a recogniser makes of it.
        if not passed or not (far or method == "solid"):
            yield Problem(name, f"holds a face under {method} that did not pass")
