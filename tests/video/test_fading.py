"""Covers that come and go slowly."""

from dataclasses import dataclass

import numpy as np
import pytest

from deid.core.types import Detection, Image
from deid.video.fading import COVERS_FADE_S, Fading
from deid.video.frames import FoundFrame, TrackedFace

_N = round(COVERS_FADE_S * 25)


@dataclass(frozen=True)
class _Frame:
    image: Image

    def rgb(self) -> Image:
        return self.image


def _run(states: str, cut: int | None = None) -> list[list[float]]:
    """Shares of what fades in each frame; a face is seen (s), remembered (r) or not there (.)."""
    rng = np.random.default_rng(0)
    scenes = [_Frame(rng.integers(0, 255, (24, 24, 3), np.uint8).repeat(4, 0).repeat(4, 1)) for _ in range(2)]
    names = {"s": "seen", "r": "remembered"}
    face = Detection(np.array([20.0, 20, 70, 80]))
    fading: Fading[_Frame] = Fading(25)
    out = []
    for i, state in enumerate(states):
        faces = (TrackedFace(0, face, names[state]),) if state != "." else ()  # type: ignore[arg-type]
        out += list(fading.push(FoundFrame(scenes[cut is not None and i >= cut], faces, {})))
    out += list(fading.finish())
    assert len(out) == len(states)
    return [[f.share for f in found.fading] for found in out]


def test_a_cover_comes_before_a_face_is_remembered_and_goes_after() -> None:
    ramp = [[1 - age / (_N + 1)] for age in range(1, _N + 1)]
    shares = _run("." * 9 + "rrsrr" + "." * 9)
    empty: list[list[float]] = [[]]
    expected = (9 - _N) * empty + ramp[::-1] + 5 * empty + ramp + (9 - _N) * empty
    assert [len(s) for s in shares] == [len(s) for s in expected]
    np.testing.assert_allclose(np.concatenate(shares), np.concatenate(expected))


@pytest.mark.parametrize("states", ["." * 9 + "sssss" + "." * 9, "r" * 9], ids=["seen to its end", "from the first frame to the last"])
def test_no_other_cover_fades(states: str) -> None:
    assert not any(_run(states))


def test_no_cover_fades_across_a_cut() -> None:
    assert not any(_run("." * 9 + "rrrrr", cut=9))
    assert not any(_run("rrrrr" + "." * 9, cut=5))
    assert [len(s) for s in _run("." * 9 + "rr", cut=7)] == [0] * 7 + [1, 1] + [0, 0]


def test_a_face_that_comes_back_is_covered_wholly() -> None:
    shares = _run("rr.." + "rr" + "..")
    # Its cover goes in the frames in which the next one comes.
    assert [len(s) for s in shares] == [0, 0, 2, 2, 0, 0, 1, 1]
