"""The way of one face stands in one short file, and visits each other room once."""

import inspect
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from types import FrameType

import numpy as np

import deid
from deid.anonymizer import face_editor
from deid.anonymizer.engine import Anonymizer
from deid.core.types import Detection, Image, ImageResult

FILE, PACKAGE = Path(face_editor.__file__), Path(deid.__file__).parent
#: What carries the face, and what every room uses.
SHARED = {"core", "face", "request"}
#: Rooms in the order of a new face. Verification asks for the attempts, and is entered before what makes them.
WAY = ["recognition", "treatment", "verification", "imaging", "landmarks", "stand_ins", "editing", "compositing"]


def test_the_way_stands_in_one_short_file() -> None:
    assert len(FILE.read_text().splitlines()) <= 250


def _room(file: Path) -> str:
    """The folder of the package that a file lies in; of the editor's own folder, the file."""
    place = file.relative_to(PACKAGE).with_suffix("").parts
    return place[1] if place[0] == "anonymizer" else place[0]


def _visits(work: Callable[[], ImageResult]) -> tuple[list[str], ImageResult]:
    """Rooms whose functions the file calls, in the order in which they are entered, and what came out."""
    rooms: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        asking, file = frame.f_back, Path(frame.f_code.co_filename)
        if event != "call" or asking is None or Path(asking.f_code.co_filename) != FILE or file == FILE or not file.is_relative_to(PACKAGE):
            return
        # The iterator of levels was given when they were chosen.
        if not frame.f_code.co_flags & inspect.CO_GENERATOR and _room(file) not in SHARED:
            rooms.append(_room(file))

    sys.setprofile(note)
    try:
        result = work()
    finally:
        sys.setprofile(None)
    return [room for room, _ in groupby(rooms)], result


def test_a_new_face_visits_each_room_once(attgan_engine: Anonymizer, astronaut: Image, woman: Detection) -> None:
    seeds = (_visits(lambda seed=seed: attgan_engine.process(astronaut, [woman], seed)) for seed in range(20))
    visits, _ = next(seen for seen in seeds if seen[1].faces[0].verification.passed and not seen[1].faces[0].why)
    assert visits == WAY


def test_a_cover_visits_no_room_of_new_faces(attgan_engine: Anonymizer, hopper: Image) -> None:
    small = Detection(np.array([100.0, 60, 108, 69]))
    visits, result = _visits(lambda: attgan_engine.process(hopper, [small], 1))
    assert result.faces[0].method in {"blur", "solid"}
    assert visits == ["recognition", "treatment", "verification", "cover"]
