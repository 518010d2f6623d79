"""What is wrong with an output is found: changed, cut, missing, foreign, not passed."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.options import Options
from deid.core.types import Detection, Distance, FaceResult, Image, ImageResult, Verification
from deid.dataset.run import Plan, check


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
    ((name, problem), *more) = problems().items()
    assert name == "a.png"
    assert what in problem or "not in the ledger" in problem
    assert not more


def test_no_run_is_an_error(folder: Path, make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the ledger of a run"):
        list(check(make_plan(folder, tmp_path / "nowhere")))


class _Sees:
    """An engine that edits one box, or none, and whose detector finds two faces."""

    def __init__(self, edits: bool, boxes: str = "also", score: float = 0.9) -> None:
        self.options, self._edits, self._score = Options(method="solid", boxes=boxes), edits, score
        self.detector = self

    def detect(self, image: Image) -> list[Detection]:
        return [Detection(np.array([1.0, 1, 7, 7])), Detection(np.array([40.0, 20, 56, 36]), self._score)]

    def process(self, image: Image, detections: object = None, seed: int | None = None) -> ImageResult:
        out, check = image.copy(), Verification((Distance("fake", 0.5, 0.4),), True, 0.9, 0.5, 0.5, None)
        if not self._edits:
            return ImageResult(out, (), 1)
        out[0:8, 0:8] = 0
        return ImageResult(out, (FaceResult(self.detect(image)[0], "solid", "passed", check, seed=1),), 1)


@pytest.fixture(params=["a.png", "a.jpg"])
def photo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / "in" / request.param
    path.parent.mkdir()
    PillowImage.linear_gradient("L").resize((64, 48)).convert("RGB").save(path)
    return path


@pytest.mark.parametrize("input_is_there", [True, False])
@pytest.mark.parametrize("edits", [True, False])
def test_faces_that_are_exposed_are_found(
    edits: bool, input_is_there: bool, photo: Path, run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    """Whatever the ledger says: also of a picture that went through as it was."""
    engine = partial(_Sees, edits)
    run_here(tmp_path / "in", make_engine=engine)
    if not input_is_there:
        photo.write_bytes(b"another file")
    found = [p.what for p in check(make_plan(tmp_path / "in", tmp_path / "out", make_engine=engine))]
    boxes = ["[40, 20, 56, 36]"] if edits else ["[1, 1, 7, 7]", "[40, 20, 56, 36]"]
    assert found == [f"a face is found at {box}, where the picture is as it was" for box in boxes]


@pytest.mark.parametrize("edits", [True, False])
def test_a_detector_that_is_not_sure_is_believed_where_nothing_was_edited(
    edits: bool, photo: Path, run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    engine = partial(_Sees, edits, score=0.5)
    run_here(tmp_path / "in", make_engine=engine)
    found = [p.what for p in check(make_plan(tmp_path / "in", tmp_path / "out", make_engine=engine))]
    assert len(found) == (0 if edits else 2)


@pytest.mark.parametrize("edits", [True, False])
def test_only_the_table_is_looked_for(
    edits: bool, photo: Path, run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    """But a picture that is equal to its input and shows a face never passes."""
    (tmp_path / "in" / "t.csv").write_text(f"path,x0,y0,x1,y1\n{photo.name},1,1,7,7\n")
    changes: dict[str, Any] = {"make_engine": partial(_Sees, edits, "only"), "options": Options(method="solid", seed=7, boxes="only")}
    run_here(tmp_path / "in" / "t.csv", **changes)
    found = list(check(make_plan(tmp_path / "in" / "t.csv", tmp_path / "out", **changes)))
    assert bool(found) == (not edits)
