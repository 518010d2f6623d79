"""People who do not stand upright in a photo or a video: somebody lies, or it was taken sideways without a tag."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.merge import merge
from deid.detection.quarters import TURNS
from deid.detection.turned import TurnedDetector, ranked
from deid.detection.views import detect_turned, find_again, roll_of
from deid.video.decode import Reader
from deid.video.turn import SURE, evidence

#: So many frames decide, so many apart in a video that does not say how many it has.
_FRAMES, _APART = 6, 25
#: A face that is turned further is searched for upright, in its place. There it overlaps with itself by so much, as one that stands.
_MOST_ROLL, _SAME_IOU = 35.0, 0.5


class PhotoSearch:
    """What several detectors find in a photo together, also at further turns where one of them searches there.

    Args:
        detectors: each has searched the upright photos.
        turned: searches further turns for two of these; None for upright photos alone.
    """

    def __init__(self, detectors: Sequence[Detector], turned: TurnedDetector | None) -> None:
        self._turned = turned
        self._pair = [list(detectors).index(d) for d in turned.detectors] if turned is not None else []

    def faces(self, image: Image, found: Sequence[list[Detection]]) -> list[Detection]:
        """Faces of a photo (H, W, 3), each once; ``found`` is what each detector sees in it upright."""
        upright = merge(d for own in found for d in own)
        if self._turned is None:
            return upright
        return ranked([self._turned.around(image, *(found[i] for i in self._pair)), upright])

    def again(self, output: Image | None, known: Detection, partner: Detection | None) -> Detection | None:
        """What is found in the place of a known face in the output.

        Args:
            output: (H, W, 3); None when there is none.
            known: the face before.
            partner: what the detectors found there upright. Of a face that is turned its landmarks say nothing.
        """
        is_turned = known.landmarks is not None and abs(roll_of(known.landmarks)) > _MOST_ROLL
        if self._turned is None or output is None or not is_turned:
            return partner
        for detector in self._turned.detectors:
            iou, found = find_again(detector.detect, output, known)
            if iou >= _SAME_IOU:
                return found
        return None if partner is None else replace(partner, landmarks=None)


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
