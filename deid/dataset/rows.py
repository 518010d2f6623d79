"""How files and faces lie in the tables of a ledger."""

import json
import os
from typing import Any

from deid.dataset.items import Item

SCHEMA = """
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
CREATE TABLE IF NOT EXISTS notes (file INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY (file, note)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS faces_margin ON faces (status, margin);
"""
ITEM = "id, name, place, kind, offset, length, boxes, box_rows, box_size, identity"
#: What a file begins as: only pictures and labels are work.
_FIRST = {"picture": "pending", "label": "pending", "other": "left out", "broken": "failed"}


def key(name: str) -> str | bytes:
    """A file name as SQLite takes it: bytes where they are no UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def _text(name: str | bytes) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else name


def listed(item: Item) -> tuple[Any, ...]:
    """The row of a file that is new."""
    offset, length = item.span or (None, None)
    said = (json.dumps(item.boxes), json.dumps(item.rows), json.dumps(item.size), plain(item.identity))
    return (key(item.name), item.kind, key(item.place), offset, length, *said, _FIRST[item.kind], plain(item.why))


def plain(text: str) -> str:
    """Text that SQLite takes: file names may hold bytes that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def item(
    name: str | bytes, place: str | bytes, kind: Any, offset: int | None, length: int, boxes: str, rows: str, size: str, identity: str
) -> Item:
    """The file of a row: the columns of `ITEM` after its number."""
    span = None if offset is None else (offset, length)
    faces = tuple(tuple(box) for box in json.loads(boxes))
    whole = json.loads(size)
    return Item(_text(name), _text(place), kind, span, faces, tuple(json.loads(rows)), whole and (whole[0], whole[1]), identity)


def face_row(number: int, index: int, face: dict[str, Any]) -> tuple[Any, ...]:
    """The row of a face of a file."""
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
