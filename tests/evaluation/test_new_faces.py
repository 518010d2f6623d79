import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deid.check.folders import FilePair
from deid.core.errors import DataError
from evaluation import new_faces as module
from evaluation.faces import Face, PhotoResult
from evaluation.new_faces import new_faces, read_report

_BOX = [20.0, 20.0, 108.0, 108.0]


def _face(new: bool, **more: object) -> dict[str, object]:
    return {"box_xyxy": _BOX, "status": "passed" if new else "fallback", "attributes": {"Male": 1.0} if new else {}, **more}


def _ledger(path: Path, faces: dict[str, dict[str, object]]) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, name, status)")
        database.execute("CREATE TABLE faces (file, frame, status, box, attributes)")
        for i, (name, face) in enumerate(faces.items()):
            database.execute("INSERT INTO files VALUES (?, ?, 'done')", (i, name))
            row = (i, face["status"], json.dumps(face["box_xyxy"]), json.dumps(face["attributes"]))
            database.execute("INSERT INTO faces VALUES (?, 0, ?, ?, ?)", row)


def test_both_kinds_of_report_say_the_same(tmp_path: Path) -> None:
    faces = {"a/1.jpg": _face(True), "b/1.jpg": _face(False)}
    (tmp_path / "out.deid").mkdir()
    _ledger(tmp_path / "out.deid" / "ledger.sqlite", faces)
    files = [{"input": f"/data/{name}", "frames": [{"faces": [face]}]} for name, face in faces.items()]
    (tmp_path / "report.json").write_text(json.dumps({"files": [*files, {"input": "c.jpg", "error": "no picture"}]}))
    for path, prefix in ((tmp_path / "out.deid", ""), (tmp_path / "report.json", "/data/")):
        found = read_report(path)
        assert [(name, f.new) for name, fs in found.items() for f in fs] == [(f"{prefix}a/1.jpg", True), (f"{prefix}b/1.jpg", False)]


def test_portraits_are_read_where_they_are_told(tmp_path: Path) -> None:
    faces = [_face(True, portraits=[3, 71]), _face(True)]
    (tmp_path / "r.json").write_text(json.dumps({"files": [{"input": "a.jpg", "frames": [{"faces": faces}]}]}))
    assert [f.portraits for f in read_report(tmp_path / "r.json")["a.jpg"]] == [(3, 71), ()]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"files": [{"input": "a", "frames": [{}]}]}'])
def test_what_is_no_report_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(DataError, match=r"r\.json"):
        read_report(tmp_path / "r.json")


def _pairs(*names: str) -> list[FilePair]:
    return [FilePair(name, name.split("/", maxsplit=1)[0], Path(name), Path(name)) for name in names]


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch, make_face: Callable[..., Face]) -> dict[str, Face]:
    """Faces by file, in place of detectors."""
    faces: dict[str, Face] = {}

    class Fake:
        def __init__(self, detectors: object) -> None: ...

        def observe(self, pairs: list[FilePair]) -> list[PhotoResult]:
            (name,) = (p.name for p in pairs)
            return [PhotoResult(name, "", (faces[name],), (), 0.0, 0.0, True)]

    monkeypatch.setattr(module, "Observer", Fake)
    monkeypatch.setattr(module, "both_detectors", lambda: ())
    monkeypatch.setattr(module, "read_pairs", lambda pairs, problems: pairs)
    changed = np.zeros((128, 128, 3), np.uint8)
    cases: dict[str, dict[str, object]] = {
        "a/1": {},
        "a/2": {},
        "b/same": {"change": 0.5},
        "c/gone": {"found_after": False},
        "d/small": {"size_px": 40.0},
        "e/2nd": {"main": False},
    }
    for name, more in cases.items():
        faces[name] = make_face(1, 0, changed, **more)
    return faces


def test_only_new_faces_are_taken(observed: dict[str, Face]) -> None:
    assert [f.pair.name for f in new_faces(_pairs(*observed), least_px=50)] == ["a/1", "a/2"]
    assert [f.pair.name for f in new_faces(_pairs(*observed), least_px=50, one_a_person=True)] == ["a/1"]
    assert [f.pair.name for f in new_faces(_pairs(*observed))] == ["a/1", "a/2", "d/small"]


def test_a_report_has_the_last_word(observed: dict[str, Face]) -> None:
    box = np.array(_BOX)
    report = {"/x/a/1": [module.Reported(box + 300, True), module.Reported(box + 2, True, (5,))], "a/2": [module.Reported(box, False)]}
    (found,) = new_faces(_pairs("a/1", "a/2", "d/small"), report)
    assert (found.pair.name, found.portraits) == ("a/1", (5,))
    assert found.others.tolist() == [(box + 300).tolist()]
