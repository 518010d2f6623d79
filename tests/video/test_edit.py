"""What a person of a video wears from frame to frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from deid.anonymizer.engine import Anonymizer
from deid.core.options import Options
from deid.core.temporal import steadied
from deid.core.types import AlignedFace, Crops, Detection, Image, Verification
from deid.imaging import geometry
from deid.recognition.source_face import SourceFace
from deid.video.edit import _LOST, VideoEditor
from deid.video.frames import FadingFace, FoundFrame, TrackedFace
from deid.video.keyframe import FADE_S, SPEECH_S, Keyframe


@dataclass(frozen=True)
class _Frame:
    image: Image

    def rgb(self) -> Image:
        return self.image


class _Stubborn:
    """Takes everybody for the same person once it has let one new face pass in a portrait and a first frame."""

    name, threshold = "stubborn", 0.5

    def __init__(self) -> None:
        self.stubborn, self.n_asked = False, 0

    def embed(self, crops: Crops) -> np.ndarray:
        self.n_asked += 1
        angle = np.zeros(len(crops)) if self.stubborn else crops.reshape(len(crops), -1).std(axis=1) / 20
        return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def _video(embedder: _Stubborn, fake_editor: type) -> VideoEditor[_Frame]:
    flat = fake_editor(lambda face, attributes: np.full_like(face.crop, 128))
    options = Options(quality="fast", min_realism=0.0, min_iou=0.0, gender_slack=1.0)
    return VideoEditor(Anonymizer(options, editor=flat, embedders=[embedder]), seed=1)


def test_a_face_that_comes_and_goes_stays_covered_for_a_while(hopper: Image, officer: Detection, fake_editor: type) -> None:
    """Not before it had a new face: who enters the video gets one as soon as may be."""
    video, frame = _video(_Stubborn(), fake_editor), _Frame(hopper)
    states = ["remembered", "seen", "seen", "remembered", *["seen"] * (_LOST + 1), "remembered"]
    methods = []
    for i, state in enumerate(states):
        portraits = {0: ((frame, officer),)} if i == 0 else {}
        video.edit(FoundFrame(frame, (TrackedFace(0, officer, state),), portraits))  # type: ignore[arg-type]
        methods.append(dict(video.tracks[0].methods))
    shown = np.diff([0, *(m.get("fake", 0) for m in methods)])
    assert shown.tolist() == [0, 1, 1, 0, *[0] * _LOST, 1, 0]


def test_between_two_detections_a_new_face_is_shown_only_where_the_face_still_is(
    hopper: Image, officer: Detection, fake_editor: type
) -> None:
    """On a wall it would hang in the air, and come back with the light and the landmarks of the wall."""
    embedder = _Stubborn()

    def edit(face: AlignedFace, sets: np.ndarray) -> Image:
        return np.full_like(face.crop, steadied(face.steady, "light", face.crop.mean(axis=(0, 1)), 200.0).round())

    options = Options(quality="fast", min_realism=0.0, min_iou=0.0, gender_slack=1.0)
    video: VideoEditor[_Frame] = VideoEditor(Anonymizer(options, editor=fake_editor(edit), embedders=[embedder]), seed=1)
    there, gone = _Frame(hopper), _Frame(np.full_like(hopper, (120, 40, 120)))
    asked, methods, images = [], [], []
    for i, (frame, state) in enumerate([(there, "seen"), (there, "filled"), *[(gone, "filled")] * 30, (there, "filled"), (there, "seen")]):
        portraits = {0: ((frame, officer),)} if i == 0 else {}
        edited = video.edit(FoundFrame(frame, (TrackedFace(0, officer, state),), portraits))  # type: ignore[arg-type]
        asked.append(embedder.n_asked)
        methods.append(dict(video.tracks[0].methods))
        images.append(edited.image)
    assert np.diff([0, *(m.get("fake", 0) for m in methods)]).tolist() == [1, 1, *[0] * 30, 1, 1]
    assert methods[-1] == {"fake": 4, "blur": 30}
    assert len(set(asked[:32])) == 1
    np.testing.assert_array_equal(images[-2], images[0])


def test_whom_no_blur_hides_is_hidden_by_the_same_cover_while_out_of_sight(hopper: Image, officer: Detection, fake_editor: type) -> None:
    embedder = _Stubborn()
    video, frame = _video(embedder, fake_editor), _Frame(hopper)
    portraits = {0: ((frame, officer),)}
    video.edit(FoundFrame(frame, (TrackedFace(0, officer, "seen"),), portraits))
    embedder.stubborn = True
    for state in (*["seen"] * video._every, "remembered"):
        video.edit(FoundFrame(frame, (TrackedFace(0, officer, state),), {}))  # type: ignore[arg-type]
    (track,) = video.tracks
    assert dict(track.methods) == {"fake": video._every, "solid": 2}


def test_a_refused_face_is_covered_and_judged_again_in_keyframes_only(hopper: Image, officer: Detection, fake_editor: type) -> None:
    embedder = _Stubborn()
    video, frame = _video(embedder, fake_editor), _Frame(hopper)
    video.edit(FoundFrame(frame, (TrackedFace(0, officer, "seen"),), {0: ((frame, officer),)}))
    embedder.stubborn = True
    asked = []
    for _ in range(video._every + 2 * video._fade):
        video.edit(FoundFrame(frame, (TrackedFace(0, officer, "seen"),), {}))
        asked.append(embedder.n_asked)
    judged = np.flatnonzero(np.diff([asked[0], *asked])) + 1
    # A refused one sooner than one that passed.
    assert video._fade < video._every
    assert judged.tolist() == [video._every, video._every + video._fade, video._every + 2 * video._fade]
    assert dict(video.tracks[0].methods) == {"fake": video._every, "solid": 2 * video._fade + 1}


def test_a_keyframe_holds_while_the_head_only_moves_turns_and_grows() -> None:
    rng = np.random.default_rng(0)
    shape = rng.uniform(0, 100, (68, 2))
    source = SourceFace(Detection(np.array([0.0, 0, 100, 100])), (), np.zeros(13, np.float32), 0.5)
    key = Keyframe(10, shape, source, Verification((), True, 1.0, 0.5, 0.5, None, ()), np.full(3, 90.0))
    turned = 1.1 * shape @ np.array([[0.98, 0.199], [-0.199, 0.98]]) + 30
    light = np.array([91.0, 89.0, 95.0])
    assert key.holds(12, turned, light, 8)
    assert not key.holds(18, shape, light, 8)
    assert not key.holds(12, turned, light + 10, 8)
    other = shape + rng.normal(0, 8, shape.shape)
    assert not key.holds(12, other, light, 8)


def test_the_lips_of_a_keyframe_before_are_soon_gone_when_a_mouth_opens_or_closes() -> None:
    """Shown twice for half a second, teeth lay on closed lips."""
    rng = np.random.default_rng(0)
    closed = rng.uniform(0, 100, (68, 2))
    closed[[0, 16], 0] = 0.0, 100.0
    closed[62] = closed[66] = (50.0, 80.0)
    opened = closed.copy()
    opened[66, 1] += 5
    source = SourceFace(Detection(np.array([0.0, 0, 100, 100])), (), np.zeros(13, np.float32), 0.5)
    check = Verification((), True, 1.0, 0.5, 0.5, None, ())
    for before, after in ((closed, opened), (opened, closed)):
        key = Keyframe(10, before, source, check, np.zeros(3), fades=0.25)
        assert key.speaks(after)
        assert not key.speaks(2 * before + 30)
        assert [key.faded(i) for i in (10, 11, 13, 14)] == [0.25, 0.5, 1.0, 1.0]
    assert round(SPEECH_S * 25) < round(FADE_S * 25) / 3


def test_a_new_face_is_made_and_judged_in_keyframes_and_moved_between_them(hopper: Image, officer: Detection, fake_editor: type) -> None:
    """The rest of the frame moves on, and the new face with the head."""
    made: list[int] = []

    def edit(face: AlignedFace, attributes: np.ndarray) -> Image:
        made.append(1)
        return np.full_like(face.crop, 128)

    embedder = _Stubborn()
    options = Options(quality="fast", min_realism=0.0, min_iou=0.0, gender_slack=1.0)
    video: VideoEditor[_Frame] = VideoEditor(Anonymizer(options, editor=fake_editor(edit), embedders=[embedder]), seed=1)
    counts, images = [], []
    for i in range(26):
        there = officer.moved(np.ones(2), np.array([2.0 * i, 0.0]))
        frame = _Frame(np.roll(hopper, 2 * i, axis=1))
        portraits = {0: ((frame, there),)} if i == 0 else {}
        done = video.edit(FoundFrame(frame, (TrackedFace(0, there, "seen"),), portraits))
        counts.append((len(made), embedder.n_asked))
        images.append(done.image)
    steps = np.diff(counts, axis=0)
    keyframes = np.flatnonzero(steps[:, 0])
    # The second frame that is made anew comes after 0.96 s.
    assert keyframes.tolist() == [23]
    assert np.flatnonzero(steps[:, 1]).tolist() == [23]
    assert dict(video.tracks[0].methods) == {"fake": 26}
    middle = (officer.box_xyxy[:2] + officer.box_xyxy[2:]) / 2
    for i, image in enumerate(images):
        assert image is not None
        x, y = round(middle[0] + 2 * i), round(middle[1])
        part = image[y - 20 : y + 20, x - 15 : x + 15].astype(int)
        first = images[0][y - 20 : y + 20, x - 15 - 2 * i : x + 15 - 2 * i].astype(int)  # type: ignore[index]
        assert np.abs(part - first).mean() < 2


def test_a_face_that_is_remembered_just_outside_the_frame_needs_no_cover(hopper: Image, officer: Detection, fake_editor: type) -> None:
    video, frame = _video(_Stubborn(), fake_editor), _Frame(hopper)
    margin = video._engine.options.margin
    # With its margin it ends a pixel above the frame, or to the left of it.
    for box in (np.array([100.0, -41, 140, -1 - 40 * margin]), np.array([-41.0, 100, -1 - 40 * margin, 140])):
        portraits = {0: ((frame, officer),)}
        edited = video.edit(FoundFrame(frame, (TrackedFace(0, Detection(box), "remembered"),), portraits))
        assert edited.image is not None
        np.testing.assert_array_equal(edited.image, hopper)


def test_a_cover_lies_beneath_other_peoples_new_faces(hopper: Image, officer: Detection, fake_editor: type) -> None:
    """Nothing of anybody's own is left there, and a face under a cover that comes and goes would flicker; all around is covered."""
    x0, y0, x1, y1 = officer.box_xyxy
    wide = Detection(np.array([x0 - 30, y0 - 20, x1 + 30, y1 + 20]))
    frame = _Frame(hopper)
    portraits: dict[int, Any] = {0: ((frame, officer),), 1: ()}
    alone, both = (
        _video(_Stubborn(), fake_editor).edit(FoundFrame(frame, (TrackedFace(0, officer, "seen"), *others), portraits)).image
        for others in ((), (TrackedFace(1, wide, "remembered"),))
    )
    assert alone is not None
    assert both is not None
    middle = np.s_[round((y0 + y1) / 2) - 10 : round((y0 + y1) / 2) + 10, round((x0 + x1) / 2) - 10 : round((x0 + x1) / 2) + 10]
    np.testing.assert_array_equal(both[middle], alone[middle])
    beside = np.s_[round(y0) : round(y1), round(x0) - 20 : round(x0) - 8]
    assert np.abs(both[beside].astype(int) - hopper[beside]).mean() > 5
    # Its border is soft: a face that was cut out would hang in the air.
    row = np.abs(both.astype(int) - alone).sum(axis=2)[round((y0 + y1) / 2), round(x0) - 20 : round((x0 + x1) / 2)]
    assert row[0] > 30
    assert row[np.flatnonzero(row)[-1]] < 10


@pytest.mark.parametrize(("method", "softens"), [("attgan", True), ("blur", False)])
def test_half_a_cover_shows_half_the_frame(method: str, softens: bool, hopper: Image, officer: Detection, fake_editor: type) -> None:
    """A cover that was asked for by name has an edge in time too."""
    options = Options(method=method, quality="fast", min_realism=0.0, min_iou=0.0, gender_slack=1.0)
    face, frame = TrackedFace(0, officer, "remembered"), _Frame(hopper)
    rows, columns = geometry.box_to_slices(officer.box_xyxy, hopper.shape[:2])
    images = []
    for faces, fading in (((face,), ()), ((), (FadingFace(face, 0.5),)), ((), (FadingFace(face, 1e-9),))):
        engine = Anonymizer(options, editor=fake_editor(lambda face, attributes: face.crop), embedders=[_Stubborn()])
        image = VideoEditor[_Frame](engine, seed=1).edit(FoundFrame(frame, faces, {0: ()}, fading)).image
        assert image is not None
        images.append(image[rows, columns].astype(float))
    covered, half, none = images
    np.testing.assert_array_equal(none, hopper[rows, columns])
    assert np.abs(half - (covered + none) / 2).max() <= 1 or not softens
    assert softens == bool(np.abs(half - none).mean() > 2)
