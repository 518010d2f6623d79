"""A video that was filmed sideways is checked at the turn that shows its people upright."""

from pathlib import Path

import numpy as np
import pytest

from deid.check.judges import Judges
from deid.check.run import check
from deid.check.turn import upright
from deid.core.types import Detection, Image
from deid.detection.quarters import TURNS, turn_image

av = pytest.importorskip("av", reason="videos need PyAV: pip install 'deid-face[video]'")

_BOX = np.array([32.0, 16.0, 64.0, 56.0])
_MARKS = np.array([[42.0, 30.0], [54.0, 30.0], [48.0, 38.0], [43.0, 46.0], [53.0, 46.0]])


class _Bust:
    """Finds the one face where it stands upright, bright above and dark below; of the same on its side it is not sure."""

    name = "bust"

    def detect(self, image: Image) -> list[Detection]:
        if image.shape[:2] != (80, 96):
            return []
        upper, lower = image[18:34, 34:62].mean(), image[38:54, 34:62].mean()
        return [Detection(_BOX, 0.85, _MARKS, self.name)] if upper > lower + 50 else []


def _frame(is_covered: bool = False) -> Image:
    """(80, 96, 3): a face of two tones with some texture."""
    image = np.full((80, 96, 3), 110, np.uint8)
    if not is_covered:
        image[16:36, 32:64], image[36:56, 32:64] = 220, 60
        image[20:52:4, 32:64] -= 40
    return image


def _write(path: Path, image: Image, degrees: int, n: int = 8) -> Path:
    turned = turn_image(image, degrees)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "2"})
        stream.height, stream.width, stream.pix_fmt = *turned.shape[:2], "yuv420p"
        for _ in range(n):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(turned, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("degrees", TURNS)
def test_people_on_their_side_are_seen(degrees: int, tmp_path: Path) -> None:
    before = _write(tmp_path / "before.mp4", _frame(), degrees)
    left, covered = (_write(tmp_path / f"{c}.mp4", _frame(c), degrees) for c in (False, True))
    judges = Judges((_Bust(),), ())
    found = check(before, left, judges)
    assert (found.counts.faces, found.counts.exposed, found.passed) == (8, 8, False)
    found = check(before, covered, judges)
    assert (found.counts.faces, found.counts.exposed, found.passed) == (8, 0, True)


def test_a_video_with_a_sure_face_costs_one_look_more(tmp_path: Path) -> None:
    looks: list[tuple[int, ...]] = []

    class Sure(_Bust):
        def detect(self, image: Image) -> list[Detection]:
            looks.append(image.shape)
            return [Detection(_BOX, 0.95, _MARKS, self.name)]

    judge = Sure()
    assert upright(_write(tmp_path / "a.mp4", _frame(), 0), 8, judge) is judge
    assert len(looks) == 1


def test_nobody_is_upright(tmp_path: Path) -> None:
    judge = _Bust()
    assert upright(_write(tmp_path / "a.mp4", _frame(True), 90), 0, judge) is judge
