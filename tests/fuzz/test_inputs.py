"""A few of the tables, shards and broken videos that the fuzzers draw, and whether their checks can fail."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deid.anonymizer import known_boxes
from deid.dataset import local, shards, tar
from deid.dataset.tar import Member
from deid.video import decode
from tests.fuzz import broken_videos
from tests.fuzz import shards as fuzz_shards
from tests.fuzz import tables as fuzz_tables


@pytest.fixture(autouse=True)
def _keep_local_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzers run data sets in this process; other tests want processes."""
    monkeypatch.setattr(local, "run", local.run)


def test_tables_and_shards() -> None:
    assert {seed: fuzz_tables.wrong_with(seed) for seed in range(15)} == dict.fromkeys(range(15), "")
    assert {seed: fuzz_shards.wrong_with(seed) for seed in range(15)} == dict.fromkeys(range(15), "")


def test_broken_videos() -> None:
    assert {seed: broken_videos.wrong_with(seed) for seed in range(12)} == dict.fromkeys(range(12), "")


def test_frames_that_are_lost_in_silence_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "what_is_missing", lambda path, container: "")
    assert any("lost in silence" in broken_videos.wrong_with(seed) for seed in range(40))


def test_marks_that_are_left_in_a_video_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken_videos.ScriptedDetector, "detect", lambda self, image: [])
    assert any("a mark is left" in broken_videos.wrong_with(seed) for seed in range(40))


def test_boxes_that_are_not_checked_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_boxes, "why_not", lambda box, size_wh: "")
    assert any("a wrong row cost nothing" in fuzz_tables.wrong_with(seed) for seed in range(30))


def test_faces_that_the_table_does_not_name_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_boxes, "process", lambda engine, image, faces, seed: engine.process(image, faces or None, seed))
    assert any("a mark is left" in fuzz_tables.wrong_with(seed) for seed in range(30))


def test_shards_that_are_read_to_the_first_end_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_part(path: Path) -> Iterator[Member]:
        last: Any = None
        for member in tar.members(path):
            if last is not None and member.offset - 512 > last.offset + -(-last.size // 512) * 512:
                return
            last = member
            if not member.damage:
                yield member

    monkeypatch.setattr(shards, "members", first_part)
    assert any(fuzz_shards.wrong_with(seed) for seed in range(30))
