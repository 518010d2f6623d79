"""Boxes over time: constant velocity, one track a face, sure scores first."""

import numpy as np
import pytest

from deid.core.types import Detection
from deid.imaging.geometry import box_iou
from deid.video.track import BoxFilter, Tracker


def _face(x: float, score: float = 0.95, y: float = 50.0, side: float = 30.0) -> Detection:
    return Detection(np.array([x, y, x + side, y + side]), score)


def _run(frames: list[list[Detection]], patience: int = 10) -> Tracker:
    tracker = Tracker(0.6, patience)
    for i, found in enumerate(frames):
        tracker.predict(i)
        tracker.update(i, found)
    return tracker


def test_filter_learns_a_constant_velocity() -> None:
    track = BoxFilter(_face(0).box_xyxy)
    for i in range(1, 20):
        track.predict()
        track.correct(_face(4.0 * i).box_xyxy)
    last = track.box
    track.predict()
    assert track.box - last == pytest.approx([4, 0, 4, 0], abs=0.2)
    for _ in range(2):
        track.predict()
    assert track.box == pytest.approx(_face(4.0 * 22).box_xyxy, abs=1.0)


def test_filter_of_a_still_face_stays() -> None:
    track = BoxFilter(_face(10).box_xyxy)
    for _ in range(30):
        track.predict()
        track.correct(_face(10).box_xyxy)
    assert track.box == pytest.approx(_face(10).box_xyxy)


def test_one_face_is_one_track_through_a_gap() -> None:
    frames = [[] if 10 <= i < 16 else [_face(5.0 * i)] for i in range(30)]
    (track,) = _run(frames).tracks
    assert (len(track.seen), track.last) == (24, 29)


def test_two_faces_that_pass_each_other_stay_two() -> None:
    frames = [[_face(4.0 * i), _face(200 - 4.0 * i, y=95)] for i in range(50)]
    tracker = _run(frames)
    assert len(tracker.tracks) == 2
    for track in tracker.tracks:
        steps = np.diff([d.box_xyxy[0] for _, d in sorted(track.seen.items())])
        assert np.ptp(np.sign(steps)) == 0


def test_low_scores_go_on_with_a_track_but_start_none_at_once() -> None:
    assert _run([[_face(0, 0.4)]]).tracks == []
    (track,) = _run([[_face(0)], [_face(2, 0.4)], [_face(4, 0.3)]]).tracks
    assert track.last == 2


# Name: (what is found frame by frame, the frames in which each of the tracks is seen).
FAINT: dict[str, tuple[list[list[Detection]], list[list[int]]]] = {
    "once": ([[_face(0, 0.4)], [], []], []),
    "twice": ([[_face(0, 0.4)], [], [], [_face(2, 0.4)]], [[0, 3]]),
    "in two places": ([[_face(0, 0.4)], [_face(200, 0.4)]], []),
    "too far apart in time": ([[_face(0, 0.4)], *[[] for _ in range(15)], [_face(0, 0.4)]], []),
    "faint, then sure": ([[_face(0, 0.4)], [_face(2, 0.9)]], [[0, 1]]),
    "touching a sure one": ([[_face(0, 0.9), _face(25, 0.4)]] * 2, [[0, 1]]),
    "beside a sure one": ([[_face(0, 0.9), _face(200, 0.4)], [_face(0, 0.9), _face(200, 0.4)]], [[0, 1], [0, 1]]),
    "twice, and on": ([[_face(0, 0.4)], [_face(0, 0.4)], [_face(0, 0.4)]], [[0, 1, 2]]),
}


@pytest.mark.parametrize(("frames", "seen"), FAINT.values(), ids=FAINT.keys())
def test_what_is_faint_starts_a_track_when_it_comes_twice(frames: list[list[Detection]], seen: list[list[int]]) -> None:
    tracks = _run(frames).tracks
    assert [sorted(t.seen) for t in tracks] == seen
    assert [t.number for t in tracks] == list(range(len(seen)))


def test_a_new_scene_forgets_what_was_faint() -> None:
    tracker = _run([[_face(0, 0.4)]])
    tracker.cut()
    tracker.predict(1)
    assert tracker.update(1, [_face(0, 0.4)]) == []


def test_a_sure_face_is_matched_before_a_doubtful_one() -> None:
    (first, *_) = _run([[_face(0)], [_face(3, 0.4), _face(6, 0.9)]]).tracks
    assert first.seen[1].score == 0.9


@pytest.mark.parametrize(
    ("x", "score", "n_tracks"),
    [(14, 0.4, 1), (14, 0.9, 1), (14, 0.97, 2), (24, 0.9, 2)],
    ids=["faint", "less sure", "surer", "beside it"],
)
def test_a_track_that_was_seen_already_takes_no_other_find(x: float, score: float, n_tracks: int) -> None:
    tracker = _run([[_face(0)]])
    (track,) = tracker.tracks
    tracker.predict(1)
    track.see(1, _face(1))
    tracker.update(1, [_face(x, score)])
    assert len(tracker.tracks) == n_tracks
    assert track.seen[1].box_xyxy[0] == 1


def test_fast_faces_meet_by_their_circles() -> None:
    """A jump by 25 px of a box of 30: nearly no overlap."""
    assert box_iou(_face(0).box_xyxy, _face(25).box_xyxy)[0, 0] < 0.2
    assert len(_run([[_face(0)], [_face(25)]]).tracks) == 1


def test_a_face_that_stays_away_is_given_up() -> None:
    frames: list[list[Detection]] = [[_face(0)], *[[] for _ in range(8)], [_face(0)]]
    assert [t.number for t in _run(frames, patience=3).tracks] == [1]
    assert [t.number for t in _run(frames, patience=12).tracks] == [0]


def test_a_new_scene_ends_all() -> None:
    tracker = _run([[_face(0)]])
    tracker.cut()
    tracker.predict(1)
    (new,) = tracker.update(1, [_face(0)])
    assert new.number == 1
