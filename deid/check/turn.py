"""The turn of a video that was taken sideways without a tag."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.quarters import TURNS
from deid.detection.views import detect_turned
from deid.video.decode import Reader
from deid.video.turn import SURE, evidence

#: So many frames decide, so many apart in a video that does not say how many it has.
_FRAMES, _APART = 6, 25


class TurnedJudge:
    """A detector that looks at turned images.

    Args:
        detector: looks at them.
        degrees: how far they are turned, counter-clockwise.
    """

    def __init__(self, detector: Detector, degrees: int) -> None:
        self._detector, self._degrees = detector, degrees
        self.name = detector.name

    def detect(self, image: Image) -> list[Detection]:
        return detect_turned(self._detector.detect, image, self._degrees)


def upright(path: Path, n_frames: int, detector: Detector) -> Detector:
    """The detector at the turn at which it is surest of the faces of a video.

    Args:
        path: the video.
        n_frames: that it has; 0 when it does not say.
        detector: looks at some of them at each turn, until it is sure of an upright face.

    Raises:
        VideoReadError: it is no video.
    """
    clear = dict.fromkeys(TURNS, 0.0)
    for image in _some(path, n_frames):
        for degrees in TURNS:
            found = TurnedJudge(detector, degrees).detect(image) if degrees else detector.detect(image)
            if not degrees and any(d.score >= SURE for d in found):
                return detector
            clear[degrees] += evidence(found)
    best = max(clear, key=lambda degrees: clear[degrees])
    return TurnedJudge(detector, best) if best else detector


def _some(path: Path, n_frames: int) -> Iterator[Image]:
    """A few frames, spread over a video."""
    step = max(1, n_frames // _FRAMES) if n_frames else _APART
    with Reader(path) as video:
        yield from (frame.rgb() for frame in islice(video, 0, step * _FRAMES, step))
