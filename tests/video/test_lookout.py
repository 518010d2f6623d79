"""Where frames are searched: new places in their frame, at the video's turn, at intervals in seconds."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from deid.core.errors import ConfigError
from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.detection.quarters import turn_image
from deid.detection.threshold import ThresholdDetector
from deid.video.lookout import Lookout
from deid.video.novelty import Novelty
from deid.video.pace import Pace
from deid.video.search import Faint, Search
from deid.video.turn import TurnMemory, evidence

PACE = Pace.of(Options(), 25.0)


@dataclass
class _Upright:
    """Finds the white square when its dark half is below it, and notes the size of what it sees."""

    name: str = "upright"
    score: float = 0.95
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def detect(self, image: Image) -> list[Detection]:
        self.sizes.append(image.shape[:2])
        ys, xs = np.nonzero(image.min(axis=2) > 240)
        if not len(ys):
            return []
        x0, y0, x1, y1 = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        below = image[y1 : y1 + y1 - y0, x0:x1]
        if not below.size or below.max() > 10:
            return []
        return [Detection(np.array([x0, y0, x1, 2 * y1 - y0], float), self.score, None, self.name)]


class _TwoUpright(_Upright):
    """Looks for two: in the upper left corner, and anywhere else."""

    def detect(self, image: Image) -> list[Detection]:
        corner, rest = np.full_like(image, 120), image.copy()
        corner[:60, :60], rest[:60, :60] = image[:60, :60], 120
        return [*super().detect(corner), *super().detect(rest)]


def _face(x: int | None = None, y: int = 40, size_hw: tuple[int, int] = (160, 240)) -> Image:
    image = np.full((*size_hw, 3), 120, np.uint8)
    if x is not None:
        image[y : y + 14, x : x + 28] = 255
        image[y + 14 : y + 28, x : x + 28] = 0
    return image


def _run(frames: list[Image], look: _Upright, pace: Pace = PACE) -> list[list[tuple[list[float], int]]]:
    lookout, novelty = Lookout(Search([look]), pace), Novelty()
    found = [lookout.look(image, i, novelty.of(image), []) for i, image in enumerate(frames)]
    return [[(s.detection.box_xyxy.tolist(), s.degrees) for s in sightings] for sightings in found]


def test_a_face_of_one_frame_is_found_in_that_frame() -> None:
    for at in range(1, 9):
        found = _run([_face(100 if i == at else None) for i in range(10)], _Upright())
        assert [i for i, f in enumerate(found) if f] == [at]
        assert found[at] == [([100, 40, 128, 68], 0)]


def test_only_the_place_is_searched() -> None:
    look = _Upright()
    _run([_face(None), _face(100)], look)
    assert max(look.sizes[-1]) < 110


def test_what_is_new_all_the_time_costs_a_frame_at_most() -> None:
    look, rng = _Upright(), np.random.default_rng(0)
    frames = []
    for _ in range(20):
        image = np.repeat(np.linspace(0, 255, 1280).astype(np.uint8)[None, :, None], 720, 0).repeat(3, 2)
        for _place in range(12):
            y, x = (int(v) for v in rng.integers(0, [640, 1200]))
            image[y : y + 60, x : x + 60] = rng.integers(0, 255, 3)
        frames.append(image)
    _run(frames, look)
    parts = sum(h * w for h, w in look.sizes if sorted((h, w)) != [720, 1280]) / (720 * 1280)
    # Twelve places before and twelve after, each with what lies around it.
    assert 20 * 0.2 < parts < 20 * 0.7
    assert len([size for size in look.sizes if sorted(size) == [720, 1280]]) < 18


@pytest.mark.parametrize("at", [21, 22, 23])
def test_a_face_of_one_frame_is_found_however_long_everything_has_been_new(at: int) -> None:
    """The light flickers, or a hand shakes: no budget may end the searches."""
    frames, ramp = [_face(100 if i == at else None, size_hw=(320, 480)) for i in range(25)], np.linspace(30, 150, 480)[None, :, None]
    for i, image in enumerate(frames):
        image[:] = np.where(image == 120, ramp + (60 if i % 2 else 0), image)
    assert [i for i, f in enumerate(_run(frames, _Upright())) if f] == [at]


class _Each(_Upright):
    """Looks for two: in the upper half, and in the lower one."""

    def detect(self, image: Image) -> list[Detection]:
        parts = [image.copy(), image.copy()]
        (high, wide), turned = image.shape[:2], image.shape[0] > image.shape[1]
        for part, low in zip(parts, (True, False), strict=True):
            middle = wide // 2 if turned else high // 2
            where = np.s_[:, middle:] if turned else np.s_[middle:]
            other = np.s_[:, :middle] if turned else np.s_[:middle]
            part[where if low else other] = 120
        return [d for part in parts for d in super(_Each, self).detect(part)]


@pytest.mark.parametrize(("size_hw", "at"), [((240, 320), 0), ((480, 640), 27)])
def test_somebody_who_lies_in_a_still_scene_is_found_beside_who_stands(size_hw: tuple[int, int], at: int) -> None:
    """At once where a quick look at a small copy sees enough, else when the searches of all the scene have come to their end."""
    image = _face(100, size_hw=size_hw)
    y = size_hw[0] - 60
    image[y : y + 28, 200:214], image[y : y + 28, 214:228] = 255, 0
    found = _run([image] * 40, _Each())
    turned = [i for i, sightings in enumerate(found) if any(degrees for _, degrees in sightings)]
    assert turned
    assert turned[0] <= at


def test_a_place_where_a_face_was_lost_is_searched() -> None:
    look, frame = _Upright(), _face(100)
    lookout, novelty = Lookout(Search([look]), PACE), Novelty()
    lookout.look(frame, 0, novelty.of(frame), [])
    assert not lookout.look(frame, 1, novelty.of(frame), [])
    (found,) = lookout.look(frame, 2, novelty.of(frame), [], lost=[np.array([96.0, 38.0, 124.0, 66.0])])
    assert found.detection.box_xyxy.tolist() == [100, 40, 128, 68]


def test_still_frames_are_searched_only_a_few_times() -> None:
    look = _Upright()
    _run([_face(None)] * 60, look)
    # Each other turn is tried once as well, at first with nobody there and once more.
    assert len(look.sizes) <= 4 + 2 + 3


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_video_on_its_side_is_searched_as_it_lies(degrees: int) -> None:
    found = _run([turn_image(_face(20 + 8 * i), -degrees) for i in range(3 * PACE.every + 1)], _Upright())
    # Flow knows where it comes from in between: there it is followed.
    assert [[s[1] for s in f] for f in found[:: PACE.every]] == [[degrees]] * 4


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turn_is_found_when_somebody_comes(degrees: int) -> None:
    frames = [turn_image(_face(20 + 6 * i if i >= 10 else None), -degrees) for i in range(24)]
    found = _run(frames, _Upright())
    assert not any(found[:10])
    assert [s[1] for s in found[10]] == [degrees]


def test_upright_faces_are_found_in_a_turned_video() -> None:
    frames = [turn_image(_face(20 + 8 * i), 270) for i in range(9)]
    lying, upright = frames[8].copy(), _face(10, 10, frames[8].shape[:2])
    lying[0:60, 0:60] = upright[0:60, 0:60]
    found = _run([*frames, lying], _TwoUpright())
    assert 0 in [s[1] for s in found[9]]


def test_an_upright_video_stays_upright() -> None:
    found = _run([_face(20 + 4 * i) for i in range(30)], _Upright())
    assert {s[1] for f in found for s in f} == {0}


def test_turns_take_their_turn() -> None:
    memory = TurnMemory(PACE)
    tried = [d for i in range(200) if (d := memory.due(i, sure=False)) is not None]
    assert set(tried) == {90, 180, 270}
    assert len(tried) < 200 / PACE.frames(0.64) + 4
    sure = TurnMemory(PACE)
    assert len([i for i in range(200) if sure.due(i, sure=True) is not None]) == 1


def test_only_clear_detections_speak_for_a_turn() -> None:
    box = np.array([0.0, 0, 10, 10])
    assert evidence([Detection(box, 0.79), Detection(box, 0.8), Detection(box, 0.9)]) == pytest.approx(1.7)


@pytest.mark.parametrize(
    ("rate", "expected"), [(2, (1, 2, 3, 4)), (25, (4, 8, 12, 16)), (60, (10, 20, 29, 38)), (90_000, (10, 20, 29, 38))]
)
def test_intervals_are_seconds(rate: float, expected: tuple[int, ...]) -> None:
    pace = Pace.of(Options(), rate)
    assert (pace.every, pace.memory, pace.patience, pace.look_ahead) == expected


def test_numbers_of_frames_go_before_seconds() -> None:
    options = Options(detect_every=3, patience=5, look_ahead=0)
    for rate in (2.0, 60.0):
        assert replace(Pace.of(options, rate), rate=0) == Pace(3, 6, 5, 0, 0)
    with pytest.raises(ConfigError, match="detect_every_s"):
        Options(detect_every_s=-1.0)


def test_two_faint_looks_are_a_sure_one() -> None:
    looks = [_Upright(score=0.45), _Upright(score=0.45)]
    (found,) = Search(looks).within(_face(100), [np.s_[20:90, 80:150]])
    assert found.box_xyxy.tolist() == [100, 40, 128, 68]
    assert found.score == pytest.approx(1 - 0.55**2)


@pytest.mark.parametrize(("other", "n"), [(0.45, 1), (0.0, 0)])
def test_what_the_fastest_look_sees_faintly_another_confirms(other: float, n: int) -> None:
    """At a part of a frame at which the fastest one looks alone, and at all of it."""
    faint = Faint(_Upright(score=0.35), 0.42, 0.5)
    others = ThresholdDetector(_Upright(score=other), 0.1)
    search = Search([others, ThresholdDetector(_Upright(score=0.35), 0.42)], faint)
    found = search.within(_face(100), [np.s_[20:90, 80:150]], thorough=False)
    assert [d.box_xyxy.tolist() for d in found] == [[100, 40, 128, 68]] * n
    assert all(d.score == pytest.approx(1 - 0.65 * 0.55) for d in found)
    # The turn of the fastest one over the whole frame is no other.
    search.next(_face(100))
    assert [d.box_xyxy.tolist() for d in search.next(_face(100))] == [[100, 40, 128, 68]] * n
    known = Search([others, _Upright(score=0.45)], Faint(_Upright(score=0.45), 0.42, 0.5))
    (found_alone,) = known.within(_face(100), [np.s_[20:90, 80:150]], thorough=False)
    assert found_alone.score == pytest.approx(1 - 0.55 * (1 - other))


class _AnyTurn(_Upright):
    """Sees a bright face at every turn, and one that is less so faintly and upright alone."""

    def detect(self, image: Image) -> list[Detection]:
        bright = bool((image == 255).any())
        upright = [replace(d, score=0.95 if bright else 0.6) for d in super().detect(image)]
        if upright or not bright:
            return upright
        ys, xs = np.nonzero(image.min(axis=2) == 255)
        return [Detection(np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float), 0.9, None, self.name)]


def test_a_face_that_is_seen_at_two_turns_does_not_turn_the_video() -> None:
    pace = Pace.of(Options(), 5.0)
    for at in range(1, 7):
        shown = {at: _face(70), at + 4: np.minimum(_face(140), 250)}
        found = _run([shown.get(i, _face()) for i in range(12)], _AnyTurn(), pace)
        assert [i for i, f in enumerate(found) if f] == [at, at + 4]
        assert {degrees for f in found for _, degrees in f} == {0}


def test_a_small_video_in_which_all_is_new_is_searched_in_every_frame() -> None:
    rng, size = np.random.default_rng(0), (320, 240)
    frames = []
    for _ in range(12):
        coarse = rng.integers(60, 160, (*(v // 20 for v in size), 3)).astype(np.uint8)
        image = np.kron(coarse, np.ones((20, 20, 1), np.uint8))
        image[100:128, 100:128] = _face(100, 100, size)[100:128, 100:128]
        frames.append(image)
    # Searches of the whole frame at their intervals are not enough here.
    lookout, novelty = Lookout(Search([_Upright() for _ in range(3)]), replace(PACE, every=100)), Novelty()
    found = [lookout.look(image, i, replace(novelty.of(image), cut=i == 0), []) for i, image in enumerate(frames)]
    assert [i for i, f in enumerate(found) if not f] == []
