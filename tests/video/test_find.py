"""Where the faces of a video are: nothing that was seen is lost, in either direction."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.detection.refine import FaceRefiner
from deid.imaging.geometry import box_iou
from deid.video.decode import Reader
from deid.video.find import FaceFinder
from deid.video.frames import FoundFrame
from deid.video.looks import build_search
from deid.video.search import Search
from tests.video.conftest import ScriptedDetector, moving

OPTIONS = Options(detect_every=1, memory=2, patience=6, look_ahead=10)


@dataclass(frozen=True, eq=False)
class _Frame:
    image: Image

    def rgb(self) -> Image:
        return self.image


def _run(images: list[Image], detector: ScriptedDetector, options: Options = OPTIONS) -> list[FoundFrame[_Frame]]:
    finder: FaceFinder[_Frame] = FaceFinder(Search([detector]), None, options)
    found = [f for image in images for f in finder.push(_Frame(image))]
    assert len(found) == max(0, len(images) - options.look_ahead)
    return [*found, *finder.finish()]


def _covered(images: list[Image], found: list[FoundFrame[_Frame]]) -> list[bool]:
    """Whether the square lies under a face's box, frame by frame."""
    truth = ScriptedDetector()
    answers = []
    for image, frame in zip(images, found, strict=True):
        (square,) = truth.detect(image)
        boxes = [f.detection.box_xyxy for f in frame.faces]
        answers.append(any(box_iou(square.box_xyxy, box)[0, 0] > 0.5 for box in boxes))
    return answers


@pytest.mark.parametrize(
    "blind",
    [
        lambda n: n % 3 == 2,
        lambda n: n in (0, 1),
        lambda n: n in (28, 29),
        lambda n: 10 <= n < 16,
        lambda n: n < 2 or 10 <= n < 14 or n % 3 == 0 or n > 28,
    ],
    ids=["every third", "before the first sighting", "after the last", "a gap", "all together"],
)
def test_what_the_detector_misses_is_covered(blind: Callable[[int], bool], scripted: type[ScriptedDetector]) -> None:
    images = moving(30, (60, 120))
    found = _run(images, scripted(blind=blind))
    assert all(_covered(images, found))
    assert len({f.track for frame in found for f in frame.faces}) == 1


def _seen_once(images: list[Image], nowhere: FaceRefiner, scripted: type[ScriptedDetector]) -> list[bool]:
    """Which frames are covered when a face is seen in the first one, and by nobody later."""
    options = replace(OPTIONS, detect_every=4)
    detector = scripted(blind=lambda n: n > 0)
    finder: FaceFinder[_Frame] = FaceFinder(Search([detector]), nowhere, options)
    found = [f for image in images for f in finder.push(_Frame(image))] + list(finder.finish())
    assert detector.n_seen > 1
    return _covered(images, found)


def test_a_known_face_in_a_still_scene_stays_covered(nowhere: FaceRefiner, scripted: type[ScriptedDetector]) -> None:
    assert all(_seen_once(moving(1, (60, 120)) * 60, nowhere, scripted))


def test_a_face_that_nobody_sees_in_a_scene_that_moves_does_not_stay(nowhere: FaceRefiner, scripted: type[ScriptedDetector]) -> None:
    """The check itself: it is the stillness that keeps the face."""
    rng = np.random.default_rng(0)
    images = [np.maximum(image, rng.integers(0, 60, image.shape, np.uint8)) for image in moving(1, (60, 120)) * 60]
    covered = _seen_once(images, nowhere, scripted)
    assert covered[0]
    assert not covered[-1]


def test_without_memory_and_patience_misses_stay_bare(scripted: type[ScriptedDetector]) -> None:
    """The check itself: the test above can fail."""
    images = moving(30, (60, 120))
    bare = replace(OPTIONS, memory=0, patience=0, look_ahead=0)
    assert not all(_covered(images, _run(images, scripted(blind=lambda n: n % 3 == 2), bare)))


def test_states_say_how_a_face_was_found(scripted: type[ScriptedDetector]) -> None:
    images = moving(24, (60, 120))
    found = _run(images, scripted(blind=lambda n: n < 2 or n in (9, 10) or n > 20))
    states = [frame.faces[0].state for frame in found if frame.faces]
    assert states[0:2] == ["remembered"] * 2
    assert states[9:11] == ["filled"] * 2
    assert states[21:23] == ["remembered"] * 2
    assert len(states) == 23


def test_boxes_are_steadied(scripted: type[ScriptedDetector]) -> None:
    class Shaking(ScriptedDetector):
        def detect(self, image: Image) -> list[Detection]:
            rng = np.random.default_rng(self.n_seen)
            return [replace(d, box_xyxy=d.box_xyxy + np.tile(rng.normal(0, 1.0, 2), 2)) for d in super().detect(image)]

    images = moving(30, (60, 120))
    centres = np.array([f.faces[0].detection.box_xyxy[[0, 2]].mean() for f in _run(images, Shaking())])
    raw = np.array([d.box_xyxy[[0, 2]].mean() for image, s in zip(images, [Shaking()] * 30, strict=True) for d in s.detect(image)])
    assert np.abs(np.diff(centres, 2)).mean() < 0.5 * np.abs(np.diff(raw, 2)).mean()
    assert np.abs(centres - raw).max() < 4


def test_a_box_stays_on_a_face_that_moves_abruptly(scripted: type[ScriptedDetector]) -> None:
    """As it does where frames were dropped: what was seen in a frame counts more than the line through its neighbours."""
    images = moving(40, (60, 200))
    jumps = [images[i] for i in (0, 0, 0, 0, 5, 0, 5, 0, 5, 5, 5, 5)]
    truth = scripted()
    for image, frame in zip(jumps, _run(jumps, scripted()), strict=True):
        (square,) = truth.detect(image)
        assert max(box_iou(square.box_xyxy, f.detection.box_xyxy)[0, 0] for f in frame.faces) >= 0.6


def test_a_face_does_not_outlive_its_scene(scripted: type[ScriptedDetector]) -> None:
    rng = np.random.default_rng(0)
    other = np.kron(rng.integers(0, 150, (6, 8, 3)), np.ones((10, 15, 1))).astype(np.uint8)
    found = _run([*moving(8, (60, 120)), *[other] * 8], scripted())
    assert [bool(f.faces) for f in found] == [True] * 8 + [False] * 8


def test_new_tracks_come_with_portraits(scripted: type[ScriptedDetector]) -> None:
    found = _run(moving(30, (60, 120)), scripted())
    first = found[0].portraits
    assert list(first) == [0]
    assert 1 <= len(first[0]) <= 3
    assert [bool(f.portraits) for f in found].count(True) == 3


def test_memory_does_not_grow(scripted: type[ScriptedDetector]) -> None:
    """A long video leaves a window's worth of frames and sightings behind, and no more."""
    finder: FaceFinder[_Frame] = FaceFinder(Search([scripted()]), None, OPTIONS)
    images = moving(12, (60, 120))
    for i in range(400):
        list(finder.push(_Frame(images[i % 12 if i // 12 % 2 == 0 else 11 - i % 12])))
    assert len(finder._window) == OPTIONS.look_ahead
    assert len(finder._window.known) <= 3
    assert all(len(k.track.seen) < 30 for k in finder._window.known.values())
    assert len(finder._window.scene_began) == 1


def test_a_slower_camera_is_searched_in_more_of_its_frames(nowhere: FaceRefiner, scripted: type[ScriptedDetector]) -> None:
    def searches(rate: float | None) -> int:
        detector = scripted(score=0.3)
        finder: FaceFinder[_Frame] = FaceFinder(Search([detector]), nowhere, Options(look_ahead=4))
        if rate is not None:
            finder.at_rate(rate)
        for image in moving(24, (60, 120)):
            list(finder.push(_Frame(image)))
        return len([n for n in detector.sizes if n == (60, 120)])

    assert searches(2.0) >= 23 > 2 * searches(None)


def test_refiner_follows_a_real_face(hopper: Image, officer: Detection) -> None:
    refiner = FaceRefiner()
    moved = officer.box_xyxy + np.array([9.0, -7.0, 9.0, -7.0])
    found, nothing = refiner.refine(hopper, [moved, np.array([0.0, 0.0, 40.0, 40.0])])
    assert found is not None
    assert nothing is None
    assert box_iou(found.box_xyxy, officer.box_xyxy)[0, 0] > 0.7
    assert found.landmarks is not None
    assert officer.landmarks is not None
    assert np.abs(found.landmarks - officer.landmarks).max() < 0.08 * officer.size
    assert refiner.refine(hopper, []) == []


def test_refiner_sees_in_the_dark(hopper: Image, officer: Detection) -> None:
    dark = (hopper * 0.08).astype(np.uint8)
    assert FaceRefiner().refine(dark, [officer.box_xyxy])[0] is not None


def test_search_takes_turns_and_asks_all_at_first(scripted: type[ScriptedDetector]) -> None:
    looks = [scripted(), scripted()]
    taking = Search(looks)
    (image,) = moving(1)
    for n in range(3):
        assert len(taking.next(image)) == 1
        assert [look.n_seen for look in looks] == [n // 2 + 1, (n + 1) // 2]
    assert len(taking.all(image)) == 1
    with pytest.raises(ValueError, match="at least one"):
        Search([])


class _Together:
    """A look that ends when another one has begun."""

    name = "together"

    def __init__(self) -> None:
        self.both = threading.Barrier(2, timeout=20)

    def detect(self, image: Image) -> list[Detection]:
        self.both.wait()
        return [Detection(np.array([1.0, 1, 9, 9]) * image[0, 0, 0], 0.9, None, self.name)]


def test_parts_of_a_frame_are_searched_at_the_same_time_and_told_in_their_order() -> None:
    image = np.zeros((60, 90, 3), np.uint8)
    image[:, :30], image[:, 30:60], image[:, 60:] = 1, 2, 3
    look = _Together()
    parts = [np.s_[:60, left : left + 30] for left in (60, 0, 30, 0)]
    found = Search([look], n_threads=2).within(image, parts)
    assert sorted(d.box_xyxy.tolist() for d in found) == [[1, 1, 9, 9], [32, 2, 48, 18], [63, 3, 87, 27]]
    assert len(Search([look, look], n_threads=2).all(image)) == 1


def test_real_frames_every_face_is_followed(data_folder: Path) -> None:
    """Twelve frames of a talking man: one track, seen in each."""
    finder: FaceFinder[object] = FaceFinder(build_search(Options()), FaceRefiner(), Options())  # type: ignore[type-var]
    with Reader(data_folder / "clips" / "talking.mp4", 0.0, 0.48) as video:
        found = [f for frame in video for f in finder.push(frame)]
    found += finder.finish()
    assert [[(x.track, x.state) for x in f.faces] for f in found] == [[(0, "seen")]] * 12
