"""What a video's frames have in common."""

import numpy as np

from deid.core.temporal import FieldSmoother, held, once, steadied


def test_what_is_held_is_made_in_keyframes_only() -> None:
    steady, made = FieldSmoother(), iter(range(9))
    assert [steady.held("a", lambda: next(made)) for _ in range(2)] == [0, 1]
    steady.keyframe = False
    assert [steady.held("a", lambda: next(made)) for _ in range(2)] == [1, 1]
    assert steady.held("b", lambda: next(made)) == 2
    steady.keyframe = True
    assert held(steady, "a", lambda: next(made)) == 3
    assert held(None, "a", lambda: next(made)) == 4


def test_noise_is_smoothed_and_a_large_change_followed() -> None:
    steady = FieldSmoother()
    assert steadied(steady, "x", np.zeros(4), 1.0).tolist() == [0] * 4
    assert 0 < steadied(steady, "x", np.full(4, 0.1), 1.0).max() < 0.02
    assert steadied(steady, "x", np.full(4, 9.0), 1.0).tolist() == [9] * 4
    assert steadied(None, "x", np.ones(4), 1.0).tolist() == [1] * 4


def test_what_changes_slowly_is_held_for_several_keyframes() -> None:
    steady, made = FieldSmoother(), iter(range(9))
    values = []
    for keyframe in (True, False, True, True, False, True):
        steady.go_on(keyframe)
        values.append(held(steady, "a", lambda: next(made), 3))
    assert values == [0, 0, 0, 0, 0, 1]


def test_frames_that_are_not_made_anew_count_for_smoothing() -> None:
    """After eight frames a field has come as far as if it had been smoothed in each of them."""
    often, rarely = FieldSmoother(), FieldSmoother()
    for steady in (often, rarely):
        steady("x", np.zeros(4), 1e6)
    for i in range(8):
        for steady in (often, rarely):
            steady.go_on(keyframe=i == 7)
        here = often("x", np.ones(4), 1e6)
    assert np.allclose(rarely("x", np.ones(4), 1e6), here, atol=1e-3)


def test_what_is_kept_stays_until_something_else_is() -> None:
    steady = FieldSmoother()
    assert steady.kept("a") is None
    steady.keep("a", 1)
    steady.go_on(keyframe=True)
    assert steady.kept("a") == 1


def test_what_is_made_once_stays_when_a_face_was_away() -> None:
    steady, made = FieldSmoother(), iter(range(9))
    steady("x", np.zeros(4), 1.0)
    steady.keep("a", 1)
    assert [once(steady, "glasses", lambda: next(made)) for _ in range(2)] == [0, 0]
    again = steady.anew()
    assert once(again, "glasses", lambda: next(made)) == 0
    assert again.kept("a") is None
    assert again("x", np.full(4, 0.1), 1.0).tolist() == [0.1] * 4
    assert once(None, "glasses", lambda: next(made)) == 1
