"""The way of one face stands in one short file, step after step, and no step repeats what another one asks of the other rooms."""

import sys
from collections import defaultdict
from pathlib import Path
from types import FrameType

import pytest

import deid
from deid.anonymizer import face_editor
from deid.anonymizer.engine import Anonymizer
from deid.core.types import Detection, Image

FILE, PACKAGE = Path(face_editor.__file__), Path(deid.__file__).parent
#: Rooms that do the work on a face; the other ones are everybody's tools.
ROOMS = {"editing", "compositing", "verification", "recognition"}


def test_the_way_stands_in_one_short_file() -> None:
    assert len(FILE.read_text().splitlines()) <= 250


@pytest.fixture(scope="module")
def asked(attgan_engine: Anonymizer, hopper: Image, officer: Detection) -> list[tuple[str, str]]:
    """What the file asks of the other rooms on the way of one face: its own function, and theirs with the room before it."""
    seen: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        asking, file = frame.f_back, Path(frame.f_code.co_filename)
        if event != "call" or asking is None or Path(asking.f_code.co_filename) != FILE or not file.is_relative_to(PACKAGE):
            return
        room = file.relative_to(PACKAGE).parts[0]
        if room in ROOMS:
            seen.append((asking.f_code.co_name, f"{room}: {frame.f_code.co_qualname}"))

    sys.setprofile(note)
    try:
        attgan_engine.process(hopper, [officer])
    finally:
        sys.setprofile(None)
    return seen


def test_no_two_steps_ask_the_same(asked: list[tuple[str, str]]) -> None:
    steps: defaultdict[str, set[str]] = defaultdict(set)
    for step, other in asked:
        steps[other].add(step)
    # A new face and a cover both end as a patch of the photo.
    assert {other for other, own in steps.items() if len(own) > 1} <= {"compositing: Patch.of"}


def test_the_gate_measures_before_and_judges_after(asked: list[tuple[str, str]]) -> None:
    others = list(dict.fromkeys(other for _, other in asked))
    order = [
        "verification: Gate.source",
        "editing: edit",
        "compositing: Proposal.of",
        "verification: promising",
        "compositing: Proposal.paste",
        "verification: Gate.judge",
    ]
    assert [other for other in others if other in order] == order
    assert sum(other == "verification: Gate.source" for _, other in asked) == 1
