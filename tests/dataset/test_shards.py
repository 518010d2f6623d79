"""Shards keep their members' names and order, and nothing else of their headers."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.dataset.run import Plan, check


def _png(value: int) -> bytes:
    buffer = io.BytesIO()
    PillowImage.new("RGB", (20, 20), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def _shard(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for name, data in members.items():
            header = tarfile.TarInfo(name)
            header.size, header.uname, header.mtime = len(data), "ann", 1_700_000_000
            shard.addfile(header, io.BytesIO(data))
    return path


def _members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as shard:
        return {m.name: shard.extractfile(m).read() for m in shard if m.isreg()}  # type: ignore[union-attr]


MEMBERS = {
    "b.png": _png(10),
    "b.cls": b"3",
    "a.png": _png(20),
    "a.json": b"{}",
    "a.npy": b"\x93NUMPY",
    "ü x.png": _png(30),
    "c.png": b"bad",
}


def test_shard(run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    shard = _shard(tmp_path / "in" / "s.tar", MEMBERS)
    totals = run_here(shard)
    assert (totals.done, totals.labels, totals.left_out, totals.failed) == (3, 2, 1, 1)
    new = _members(tmp_path / "out" / "s.tar")
    assert list(new) == ["b.png", "b.cls", "a.png", "a.json", "ü x.png"]
    assert (new["b.cls"], new["a.json"]) == (b"3", b"{}")
    with PillowImage.open(io.BytesIO(new["a.png"])) as picture:
        assert picture.getpixel((0, 0)) == (235, 235, 235)
    with tarfile.open(tmp_path / "out" / "s.tar") as packed:
        assert {(m.uname, m.mtime) for m in packed} == {("", 0)}
    # One may be tried again: the parts stay until then.
    assert (tmp_path / "out.deid" / "parts").exists()
    problems = [p.name for p in check(make_plan(shard, tmp_path / "out"))]
    assert problems == ["s.tar/c.png"]
    _shard(shard, MEMBERS | {"c.png": _png(40)})
    assert run_here(shard, resume=True).failed == 0
    assert len(_members(tmp_path / "out" / "s.tar")) == 6
    assert not (tmp_path / "out.deid" / "parts").exists()
    assert list(check(make_plan(shard, tmp_path / "out"))) == []


def test_several_shards(run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    for name in ("train/0.tar", "train/1.tar", "test/0.tar"):
        _shard(tmp_path / "in" / name, {"a.png": _png(len(name))})
    given = f"{tmp_path}/in/*/*.tar"
    assert run_here(given).done == 3
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.tar")) == [
        "test/0.tar",
        "train/0.tar",
        "train/1.tar",
    ]
    assert list(check(make_plan(given, tmp_path / "out"))) == []


def test_changed_missing_and_foreign_members_are_found(
    run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    shard = _shard(tmp_path / "in" / "s.tar", {"a.png": _png(1), "b.png": _png(2)})
    run_here(shard)
    _shard(tmp_path / "out" / "s.tar", {"a.png": _png(1), "c.png": _png(2)})
    problems = {p.name: p.what for p in check(make_plan(shard, tmp_path / "out"))}
    assert set(problems) == {"s.tar/a.png", "s.tar/b.png", "s.tar/c.png"}


def test_run_that_was_broken_off_while_it_packed(run_here: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = _shard(tmp_path / "in" / "s.tar", {"a.png": _png(1)})
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            run_here(shard)
    assert not (tmp_path / "out" / "s.tar").exists()
    run_here(shard, resume=True, notify=lambda *_: pytest.fail("a file was done twice"))
    assert list(_members(tmp_path / "out" / "s.tar")) == ["a.png"]


def test_shard_that_is_cut(run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    """What is whole is done, and what is not is named."""
    shard = _shard(tmp_path / "in" / "s.tar", {"a.png": _png(1), "b.txt": b"x" * 5000})
    whole = shard.read_bytes()
    shard.write_bytes(whole[: 512 + 512 * (1 + len(_png(1)) // 512) + 512 + 100])
    totals = run_here(shard)
    assert (totals.done, totals.labels, totals.failed) == (1, 0, 2)
    assert list(_members(tmp_path / "out" / "s.tar")) == ["a.png"]
    problems = {p.name: p.what for p in check(make_plan(shard, tmp_path / "out"))}
    assert set(problems) == {"s.tar/b.txt", "s.tar/the end"}
    assert all("cut short" in what for what in problems.values())


def test_shard_that_is_cut_between_members(run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    shard = _shard(tmp_path / "in" / "s.tar", {f"{i}.png": _png(i) for i in range(6)})
    shard.write_bytes(shard.read_bytes()[: 3 * 1024])
    totals = run_here(shard)
    assert (totals.done, totals.failed) == (3, 1)
    assert [p.name for p in check(make_plan(shard, tmp_path / "out"))] == ["s.tar/the end"]


def test_shard_with_a_damaged_header(run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    shard = _shard(tmp_path / "in" / "s.tar", {f"{i}.png": _png(i) for i in range(6)})
    data = bytearray(shard.read_bytes())
    data[3 * 1024 + 5] ^= 255
    shard.write_bytes(data)
    totals = run_here(shard)
    assert (totals.done, totals.failed) == (5, 1)
    assert list(_members(tmp_path / "out" / "s.tar")) == ["0.png", "1.png", "2.png", "4.png", "5.png"]
    (problem,) = check(make_plan(shard, tmp_path / "out"))
    assert "3.png" in problem.name
    assert "damaged at byte 3072" in problem.what


def test_joined_shards(run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    """As `cat a.tar b.tar` makes them: all members are done, also two of one name."""
    one = _shard(tmp_path / "1.tar", {"a.png": _png(1), "b.png": _png(2)}).read_bytes()
    two = _shard(tmp_path / "2.tar", {"a.png": _png(3), "c.png": _png(4)}).read_bytes()
    shard = tmp_path / "in" / "s.tar"
    shard.parent.mkdir()
    shard.write_bytes(one + two)
    totals = run_here(shard)
    assert (totals.done, totals.failed) == (4, 0)
    with tarfile.open(tmp_path / "out" / "s.tar") as packed:
        assert packed.getnames() == ["a.png", "b.png", "a.png", "c.png"]
    assert list(check(make_plan(shard, tmp_path / "out"))) == []


@pytest.mark.parametrize("data", [b"", b"no tar" * 500, bytes(10240)], ids=["empty", "text", "zeros"])
def test_what_is_no_shard_is_refused(data: bytes, run_here: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(data)
    with pytest.raises(DataError, match="cannot read the shard"):
        run_here(tmp_path / "s.tar")
    assert not (tmp_path / "out").exists()


def test_members_that_would_be_unpacked_elsewhere_are_left_out(
    run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    outside = ("/abs/../../x.png", "../up.png", "a/../../b.png", "/etc/c.png", "C:\\d.png")
    shard = _shard(tmp_path / "in" / "s.tar", {name: _png(90) for name in (*outside, "./e.png", "f..g.png")})
    totals = run_here(shard)
    assert (totals.done, totals.left_out, totals.failed) == (2, 5, 0)
    assert list(_members(tmp_path / "out" / "s.tar")) == ["./e.png", "f..g.png"]
    assert not list(tmp_path.rglob("up.png"))
    assert list(check(make_plan(shard, tmp_path / "out"))) == []


def test_resumed_run_packs_again_what_was_deleted(run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    shard = _shard(tmp_path / "in" / "s.tar", {"a.png": _png(1), "b.png": _png(2)})
    run_here(shard)
    before = (tmp_path / "out" / "s.tar").read_bytes()
    (tmp_path / "out" / "s.tar").write_bytes(before[:1024])
    run_here(shard, resume=True)
    assert (tmp_path / "out" / "s.tar").read_bytes() == before
    (tmp_path / "out" / "s.tar").unlink()
    run_here(shard, resume=True)
    assert (tmp_path / "out" / "s.tar").read_bytes() == before
    run_here(shard, resume=True, notify=lambda *_: pytest.fail("a file was done twice"))
