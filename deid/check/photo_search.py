"""What is found in the photos of a check, and again in their outputs, also where people do not stand upright."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.merge import merge, ranked
from deid.detection.views import find_again, roll_of

#: A face that is turned further is searched for upright, in its place. There it overlaps with itself by so much, as one that stands.
_MOST_ROLL, _SAME_IOU = 35.0, 0.5


class SearchesTurns(Protocol):
    """Searches photos at further turns, as `deid.detection.turned.TurnedDetector` does."""

    @property
    def detectors(self) -> Sequence[Detector]:
        """The two that look."""
        ...

    def around(self, image: Image, first: list[Detection], second: list[Detection]) -> list[Detection]:
        """What they find at all turns, given what each found upright."""
        ...


class PhotoSearch:
    """What several detectors find in a photo together, also at further turns where one of them searches there.

    Args:
        detectors: each has searched the upright photos.
        turned: searches further turns for two of these; None for upright photos alone.
    """

    def __init__(self, detectors: Sequence[Detector], turned: SearchesTurns | None) -> None:
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
