"""Licence plates in videos are covered in every frame, beside the faces and whatever these get."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.models import Models
from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.video.decode import Reader
from deid.video.pipeline import anonymize_video, find_video
from deid.video.plates import FIRST_TRACK
from tests.video.conftest import ScriptedDetector


class PlateBelow:
    """A plate under the bright square, in two of three frames."""

    name = "plates"

    def __init__(self) -> None:
        self._square, self.n_seen = ScriptedDetector(), 0

    def detect(self, image: Image) -> list[Detection]:
        self.n_seen += 1
        seen = self._square.detect(image) if self.n_seen % 3 else []
        below = [np.add(d.box_xyxy, (0, 16, 0, 8)) for d in seen]
        return [Detection(box, 0.9, None, self.name, "license_plate") for box in below]


@pytest.fixture
def plates() -> PlateBelow:
    return PlateBelow()


@pytest.fixture
def engine(every_frame: Options, plates: PlateBelow) -> Anonymizer:
    options = replace(every_frame, solid_rgb=(0, 0, 0))
    return Anonymizer(models=Models(options, plates=plates))


def _shown(video: Path, output: Path) -> list[int]:
    """Frames in which the place of the plate is not black."""
    square, shown = ScriptedDetector(), []
    with Reader(video) as before, Reader(output) as after:
        for a, b in zip(before, after, strict=True):
            (face,) = square.detect(a.rgb())
            x0, y0, x1, y1 = np.add(face.box_xyxy, (1, 17, -1, 7)).astype(int)
            if b.rgb()[y0:y1, x0:x1].mean() >= 30:
                shown.append(a.index)
    return shown


def test_plates_are_covered_in_every_frame(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    result = anonymize_video(video, tmp_path / "out.mp4", engine)
    assert sorted(track.track for track in result.tracks) == [0, FIRST_TRACK]
    assert all(track.asked for track in result.tracks)
    assert _shown(video, tmp_path / "out.mp4") == []


def test_plates_have_their_own_tracks_in_boxes(
    video: Path, engine: Anonymizer, plates: PlateBelow, no_networks: ScriptedDetector, tmp_path: Path
) -> None:
    found, _ = find_video(video, engine)
    labels = {(box.label, box.track) for frame in found.frames for box in frame.boxes}
    assert labels == {("face", 0), ("license_plate", FIRST_TRACK)}
    n_seen = plates.n_seen
    result = anonymize_video(video, tmp_path / "given.mp4", engine, boxes=found)
    assert plates.n_seen == n_seen, "given boxes need no search"
    assert sorted(track.track for track in result.tracks) == [0, FIRST_TRACK]
    assert _shown(video, tmp_path / "given.mp4") == []


def test_without_a_model_there_are_no_plates() -> None:
    assert Anonymizer(Options(method="solid")).models.plates is None
