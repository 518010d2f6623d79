"""A run from listing to report: names, labels, seeds, broken files, going on."""

import io
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core import seeds
from deid.core.errors import DataError
from deid.core.options import Options
from deid.dataset import local
from deid.dataset.ledger import Ledger, Totals
from deid.dataset.run import Plan, check, run

Run = Callable[..., Totals]
Hashes = Callable[[Path], dict[str, str]]


def _rows(tmp_path: Path, query: str, out: str = "out") -> list[tuple[Any, ...]]:
    with Ledger(tmp_path / f"{out}.deid" / "ledger.sqlite") as ledger:
        return list(ledger.select(query))


def test_structure_names_and_labels_are_kept(folder: Path, run_here: Run, hashes_of: Hashes, tmp_path: Path) -> None:
    assert run_here(folder) == Totals(9, 6, 3, 0, 0, 0, 6, 0)
    before, after = hashes_of(folder), hashes_of(tmp_path / "out")
    assert set(before) == set(after)
    for name in before:
        assert (before[name] == after[name]) == (Path(name).suffix in {".json", ".xml", ".txt"})
    assert dict(_rows(tmp_path, "SELECT name, input_sha256 FROM files")) == before
    assert dict(_rows(tmp_path, "SELECT name, output_sha256 FROM files")) == after
    with PillowImage.open(folder / "a.png") as old, PillowImage.open(tmp_path / "out" / "a.png") as new:
        assert (np.asarray(new)[:-1] == 255 - np.asarray(old)[:-1]).all()


def test_what_must_not_be_published_lies_beside_the_output(folder: Path, run_here: Run, tmp_path: Path) -> None:
    run_here(folder)
    assert {p.name for p in (tmp_path / "out.deid").iterdir()} == {"ledger.sqlite", "report.html"}
    page = (tmp_path / "out.deid" / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 0  # solid covers, none of them a fallback: no worst face
    assert "as a multiple of the threshold" in page
    assert "1.25 to 1.50<td class=n>6" in page


def test_seed_of_a_file_comes_of_its_place(folder: Path, run_here: Run, hashes_of: Hashes, tmp_path: Path) -> None:
    run_here(folder)
    for number, name, seed in _rows(tmp_path, "SELECT id, name, seed FROM files"):
        assert seed == str(seeds.seed_of(7, number))
        if name.endswith("png"):
            with PillowImage.open(tmp_path / "out" / name) as new:
                assert (np.asarray(new)[-1, -1] == int(seed) % 251).all()
    run_here(folder, "again")
    assert hashes_of(tmp_path / "again") == hashes_of(tmp_path / "out")
    run_here(folder, "fresh", options=Options(method="solid"))
    assert hashes_of(tmp_path / "fresh") != hashes_of(tmp_path / "out")


def test_known_boxes_reach_the_engine(make_photo: Callable[..., Path], run_here: Run, fast_engine: Any, tmp_path: Path) -> None:
    make_photo(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "t.csv").write_text("path,x0,y0,x1,y1,identity\na.png,1,2,5,6,Ann\na.png,7,2,9,6,Ann\n")
    given = [("[1.0, 2.0, 5.0, 6.0]",), ("[7.0, 2.0, 9.0, 6.0]",)]
    run_here(tmp_path / "in" / "t.csv", "only", make_engine=lambda: fast_engine(boxes="only"))
    assert _rows(tmp_path, "SELECT box FROM faces", "only") == given
    # Whoever names some faces may have missed others: the detector is asked too.
    run_here(tmp_path / "in" / "t.csv")
    assert _rows(tmp_path, "SELECT box FROM faces") == [*given, ("[1.0, 1.0, 9.0, 9.0]",)]
    assert _rows(tmp_path, "SELECT identity FROM files WHERE kind = 'picture'") == [("Ann",)]


def _bomb() -> bytes:
    """A PNG that says it has 100 000 x 100 000 pixels."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(bytes(99)), b"IEND": b""}
    whole = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


def _break(folder: Path, good: bytes) -> dict[str, str]:
    """Files of every broken kind, and what is to be said about each."""
    folder.mkdir()
    broken = {
        "truncated 1.png": (good[: len(good) // 2], "cannot read"),
        "two\nlines.png": (good[:40], "cannot read"),
        "ärger.jpg": (b"no picture at all", "not an image of a known format"),
        "empty.webp": (b"", "the file is empty"),
        "huge.png": (_bomb(), "more pixels than max_pixels"),
    }
    for name, (data, _) in broken.items():
        (folder / name).write_bytes(data)
    (folder / os.fsdecode(b"\xff\xfe.png")).write_bytes(good[:50])
    os.mkfifo(folder / "pipe.png")
    (folder / "dangling.png").symlink_to(folder / "nothing")
    (folder / "loop").symlink_to(folder)
    more = {
        os.fsdecode(b"\xff\xfe.png"): "cannot read",
        "pipe.png": "no regular file",
        "dangling.png": "No such file",
        "loop": "leads back",
    }
    return {name: why for name, (_, why) in broken.items()} | more


def test_every_broken_file_is_listed_with_its_reason(folder: Path, run_here: Run, hashes_of: Hashes, tmp_path: Path) -> None:
    """And costs no other."""
    expected = _break(folder / "broken", (folder / "a.png").read_bytes())
    (folder / "model.bin").write_bytes(b"x")
    (folder / "label.txt").write_bytes((folder / "a.png").read_bytes())
    totals = run_here(folder)
    assert (totals.done, totals.labels, totals.failed, totals.left_out, totals.pending) == (6, 3, len(expected), 2, 0)
    assert dict(_rows(tmp_path, "SELECT name, why FROM files WHERE status = 'left out'")) == {
        "label.txt": "expected a label file in UTF-8, got other bytes at 0",
        "model.bin": "neither a picture nor a label file that is known",
    }
    found = dict(_rows(tmp_path, "SELECT name, why FROM files WHERE status = 'failed'"))
    assert set(found) == {f"broken/{name}" for name in expected}
    for name, why in expected.items():
        assert why in found[f"broken/{name}"], name
    assert len(hashes_of(tmp_path / "out")) == 9
    page = (tmp_path / "out.deid" / "report.html").read_text()
    assert page.count("<td>failed: ") == len(expected)


def test_unreadable_file_and_folder(folder: Path, run_here: Run, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (folder / "a.png").chmod(0)
    (folder / "b").chmod(0)
    run_here(folder)
    (folder / "b").chmod(0o755)
    found = dict(_rows(tmp_path, "SELECT name, why FROM files WHERE status = 'failed'"))
    assert set(found) == {"a.png", "b"}
    assert all("Permission denied" in why for why in found.values())


def test_engine_that_raises_costs_its_file_alone(folder: Path, run_here: Run, make_plan: Any, tmp_path: Path) -> None:
    class _Raises:
        def __init__(self) -> None:
            self.options, self.n = Options(method="solid"), 0

        def process(self, image: Any, detections: Any = None, seed: Any = None) -> Any:
            raise MemoryError("too much")

    totals = run_here(folder, make_engine=_Raises)
    assert (totals.done, totals.labels, totals.failed) == (0, 3, 6)
    assert set(_rows(tmp_path, "SELECT DISTINCT why FROM files WHERE status = 'failed'")) == {("MemoryError: too much",)}


class _Broken(BaseException):
    """The run is broken off."""


def _broken_off_after(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = local.run

    def partly(*arguments: Any) -> Any:
        for i, event in enumerate(whole(*arguments)):
            if i == n:
                raise _Broken
            yield event

    monkeypatch.setattr(local, "run", partly)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 9])
def test_resumed_run_equals_an_unbroken_one(
    n: int, folder: Path, run_here: Run, hashes_of: Hashes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_here(folder, "whole")
    with monkeypatch.context() as patch:
        _broken_off_after(n, patch)
        with pytest.raises(_Broken):
            run_here(folder)
    done: list[str] = []
    totals = run_here(folder, resume=True, notify=lambda totals, record: done.append(record.name))
    # The first event says that the worker is ready.
    assert len(done) == 9 - max(n - 1, 0)
    assert totals == Totals(9, 6, 3, 0, 0, 0, 6, 0)
    assert hashes_of(tmp_path / "out") == hashes_of(tmp_path / "whole")
    query = "SELECT id, name, input_sha256, output_sha256, seed, faces FROM files"
    assert _rows(tmp_path, query) == _rows(tmp_path, query, "whole")


def test_run_without_a_seed_goes_on_with_the_one_it_drew(
    folder: Path, run_here: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        _broken_off_after(4, patch)
        with pytest.raises(_Broken):
            run_here(folder, options=Options(method="solid"))
    run_here(folder, options=Options(method="solid"), resume=True)
    ((seed,),) = _rows(tmp_path, "SELECT value FROM run WHERE key = 'seed'")
    for number, used in _rows(tmp_path, "SELECT id, seed FROM files"):
        assert used == str(seeds.seed_of(int(seed.strip('"')), number))


def test_what_failed_is_tried_again(folder: Path, run_here: Run, tmp_path: Path) -> None:
    good = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(good[:30])
    assert run_here(folder).failed == 1
    (folder / "a.png").write_bytes(good)
    (folder / "new.png").write_bytes(good)
    totals = run_here(folder, resume=True)
    assert (totals.failed, totals.done) == (0, 7)
    assert _rows(tmp_path, "SELECT id FROM files WHERE name = 'new.png'") == [(10,)]


def test_finished_run_does_nothing_more(folder: Path, run_here: Run, tmp_path: Path) -> None:
    first = run_here(folder)
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    page = (tmp_path / "out.deid" / "report.html").stat().st_mtime_ns
    assert run_here(folder, resume=True, notify=lambda *_: pytest.fail("a file was done twice")) == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == stamps
    assert (tmp_path / "out.deid" / "report.html").stat().st_mtime_ns == page


@pytest.mark.parametrize("spoil", ["deleted", "cut", "whole folder"])
def test_resumed_run_makes_again_what_was_deleted(spoil: str, folder: Path, run_here: Run, hashes_of: Hashes, tmp_path: Path) -> None:
    first = run_here(folder)
    before = hashes_of(tmp_path / "out")
    if spoil == "whole folder":
        shutil.rmtree(tmp_path / "out")
    else:
        (tmp_path / "out" / "a.png").unlink()
        (tmp_path / "out" / "b" / "1.xml").write_bytes(b"" if spoil == "cut" else (tmp_path / "out" / "b" / "1.xml").read_bytes())
    assert run_here(folder, resume=True) == first
    assert hashes_of(tmp_path / "out") == before


def test_output_that_is_taken_away_in_mid_run_is_no_success(folder: Path, run_here: Run, tmp_path: Path) -> None:
    def take_away(totals: Totals, record: Any) -> None:
        if totals.pending == 4:
            shutil.rmtree(tmp_path / "out")

    totals = run_here(folder, notify=take_away)
    assert (totals.failed, totals.done + totals.labels) == (5, 4)
    assert {why for (why,) in _rows(tmp_path, "SELECT why FROM files WHERE status = 'failed'")} == {
        "its output is gone: it was taken away while the run went on"
    }
    assert run_here(folder, resume=True).failed == 0


def test_wrong_use_leaves_nothing_behind(folder: Path, run_here: Run, tmp_path: Path) -> None:
    """Whoever mends the command needs no --resume."""

    def unfit() -> Any:
        raise DataError("no such detector")

    with pytest.raises(DataError, match="no such detector"):
        run_here(folder, make_engine=unfit)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.deid").exists()
    assert run_here(folder).done == 6


@pytest.mark.parametrize("out", ["/", ".."])
def test_output_that_can_have_nothing_beside_it(out: str, folder: Path, make_plan: Callable[..., Plan]) -> None:
    with pytest.raises(DataError, match=r"expected a (new folder|new or an empty)|lies inside"):
        run(make_plan(folder, Path(out)))


def test_half_renamed_files_are_swept_away(folder: Path, run_here: Run, tmp_path: Path, make_plan: Callable[..., Plan]) -> None:
    run_here(folder)
    (tmp_path / "out" / "b" / ".1.png.123.part").write_bytes(b"x")
    run_here(folder, resume=True)
    assert list(check(make_plan(folder, tmp_path / "out"))) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "pass --resume"),
        (
            {"resume": True, "options": Options(method="blur", seed=7)},
            "expected options.method as the run began with it, 'solid', got 'blur'",
        ),
        ({"resume": True, "options": Options(method="solid", seed=8)}, "expected seed as the run began with it, '7', got '8'"),
        ({"resume": True, "given": "b"}, "expected input as the run began with it"),
    ],
    ids=["no resume", "other method", "other seed", "other input"],
)
def test_another_run_is_not_mixed_in(changes: dict[str, Any], message: str, folder: Path, run_here: Run) -> None:
    run_here(folder)
    given = folder / changes.pop("given", "")
    with pytest.raises(DataError, match=message):
        run_here(given, **changes)


def test_output_that_holds_something_is_refused(folder: Path, run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").touch()
    with pytest.raises(DataError, match="expected a new or an empty folder"):
        run_here(folder)


@pytest.mark.parametrize("changes", [{"engine": "spark"}, {"workers": -1}])
def test_plan_is_checked(changes: dict[str, Any], folder: Path, run_here: Run) -> None:
    with pytest.raises(DataError, match="expected"):
        run_here(folder, **changes)


def test_animation_has_a_row_per_face_and_frame(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pages = [PillowImage.new("L", (20, 20), i * 50) for i in range(3)]
    pages[0].save(tmp_path / "in" / "a.gif", save_all=True, append_images=pages[1:], duration=50)
    run_here(tmp_path / "in")
    assert _rows(tmp_path, "SELECT frame, face FROM faces") == [(0, 0), (1, 1), (2, 2)]


def test_metadata_goes(run_here: Run, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    PillowImage.new("RGB", (20, 20)).save(buffer, "JPEG", comment=b"MARKER")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(buffer.getvalue())
    run_here(tmp_path / "in")
    assert b"MARKER" not in (tmp_path / "out" / "a.jpg").read_bytes()
