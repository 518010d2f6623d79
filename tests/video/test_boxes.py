"""Boxes of a video: found in one pass and taken back in another, the output is the same; what is kept is kept in every frame."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.selection import Selection
from deid.anonymizer.zones import Zones
from deid.boxes import files
from deid.boxes.types import Box, BoxedFile, BoxedFrame
from deid.core.errors import DataError
from deid.core.options import Options
from deid.core.types import Detection
from deid.video.boxes import GivenFinder, kept_tracks, with_tracks
from deid.video.pipeline import anonymize_video, find_video
from deid.video.results import Span
from tests.video.conftest import ScriptedDetector, look_alike, moving, write_video


@pytest.fixture
def engine(every_frame: Options) -> Anonymizer:
    return Anonymizer(replace(every_frame, solid_rgb=(0, 0, 0)))


def test_find_and_given_boxes_are_one_run(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    no_networks.blind = lambda n: n % 3 == 2
    anonymize_video(video, tmp_path / "once.mp4", engine)
    no_networks.n_seen = 0
    found, problem = find_video(video, engine)
    assert (problem, len(found.frames), found.n_tracks) == ("", 20, 1)
    assert {box.state for frame in found.frames for box in frame.boxes} >= {"seen", "filled"}
    files.write([found], tmp_path / "x.json", "json")
    again = files.read(tmp_path / "x.json")["film.mp4"]
    no_networks.blind = lambda n: True
    anonymize_video(video, tmp_path / "twice.mp4", engine, boxes=again)
    assert look_alike(tmp_path / "once.mp4", tmp_path / "twice.mp4")


@pytest.mark.parametrize("file_format", ["coco", "cvat", "yolo"])
def test_other_formats_cover_the_same_places(
    file_format: str, video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path
) -> None:
    anonymize_video(video, tmp_path / "once.mp4", engine)
    found, _ = find_video(video, engine)
    name = {"coco": "x.json", "cvat": "x.xml", "yolo": "x"}[file_format]
    files.write([found], tmp_path / name, file_format)
    no_networks.blind = lambda n: True
    anonymize_video(video, tmp_path / "twice.mp4", engine, boxes=files.read(tmp_path / name)["film.mp4"])
    assert look_alike(tmp_path / "once.mp4", tmp_path / "twice.mp4")


def test_boxes_of_another_video_or_span_are_refused(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    found, _ = find_video(video, engine)
    cases = {
        "frame 0 is shown at": (found, Span(0.2, 0.6)),
        "are of 12 frames": (replace(found, frames=found.frames[:12]), None),
        "48 x 64 pixels, the file has 64 x 48": (replace(found, size_wh=(48, 64)), None),
    }
    for said, (boxes, span) in cases.items():
        target = tmp_path / f"{len(said)}.mp4"
        with pytest.raises(DataError, match=said):
            anonymize_video(video, target, engine, boxes=boxes, span=span)
        assert not target.exists()


def test_a_span_can_be_found_and_taken_back(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    span = Span(0.2, 0.6, "drop")
    found, _ = find_video(video, engine, span=span)
    assert len(found.frames) == 10
    anonymize_video(video, tmp_path / "once.mp4", engine, span=span)
    anonymize_video(video, tmp_path / "twice.mp4", engine, span=span, boxes=found)
    assert look_alike(tmp_path / "once.mp4", tmp_path / "twice.mp4")


def test_a_track_marked_to_be_kept_stays_and_is_reported(
    video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path
) -> None:
    found, _ = find_video(video, engine)
    marked = [replace(f, boxes=tuple(replace(b, keep=True) for b in f.boxes)) for f in found.frames]
    result = anonymize_video(video, tmp_path / "out.mp4", engine, boxes=replace(found, frames=tuple(marked)))
    assert result.tracks == ()
    assert result.to_dict()["tracks"] == [{"track": 0, "frames": [0, 19], "status": "kept", "why": ["marked to be kept"]}]
    # Marked in all frames but one, it is covered in all.
    marked[7] = found.frames[7]
    result = anonymize_video(video, tmp_path / "covered.mp4", engine, boxes=replace(found, frames=tuple(marked)))
    assert (len(result.tracks), result.kept) == (1, ())


def _file(*frames: tuple[Box, ...]) -> BoxedFile:
    return BoxedFile("a.mp4", (200, 100), tuple(BoxedFrame(f) for f in frames), True)


def _box(x: float, track: int | None = 0, label: str = "face") -> Box:
    return Box(Detection(np.array([x, 20.0, x + 40, 60]), label=label), track)


def test_a_zone_holds_a_track_that_never_leaves_it() -> None:
    selection = Selection(Options(), zones=Zones.parse(["0,0,100,100"]))
    assert kept_tracks(_file((_box(10),), (_box(20),), (_box(30),)), selection) == {0: "it lies in a zone to be ignored"}
    assert kept_tracks(_file((_box(10),), (_box(20),), (_box(90),)), selection) == {}


def test_boxes_without_a_track_get_one() -> None:
    drawn = _file((_box(10, 4), _box(100, None)), (_box(105, None),), (_box(20, None), _box(110, None, "license_plate")))
    tracks = [[box.track for box in frame.boxes] for frame in with_tracks(drawn).frames]
    assert tracks == [[4, 5], [5], [6, 7]]


def test_given_boxes_wait_for_the_frames_of_their_views() -> None:
    finder: GivenFinder[int] = GivenFinder(_file(*[(_box(10),)] * 6), look_ahead=3)  # type: ignore[type-var]
    given = [list(finder.push(i)) for i in range(6)]
    assert [len(g) for g in given] == [0, 0, 0, 1, 1, 1]
    assert [frame for frame, _ in given[3][0].portraits[0]] == [0]
    assert [f.frame for f in finder.finish()] == [3, 4, 5]


def test_boxes_are_recorded_for_a_report(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    result = anonymize_video(video, tmp_path / "out.mp4", engine, record=True)
    assert result.boxes is not None
    assert result.boxes.n_boxes == 20
    assert "boxes" not in json.dumps(result.to_dict())


def test_a_video_of_nobody_has_frames_without_boxes(engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    dark = write_video(tmp_path / "dark.mp4", [np.full_like(image, 30) for image in moving(8)])
    found, _ = find_video(dark, engine)
    assert [len(frame.boxes) for frame in found.frames] == [0] * 8
