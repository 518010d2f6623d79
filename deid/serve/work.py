"""Interface that photos and videos share, and what is said of faces."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from deid.boxes.types import BoxedFile
from deid.core.types import Detection
from deid.imaging import geometry
from deid.serve.corrections import Correction, Decision

#: Called with the name of a step, how much of it is done, and of how much (0: unknown). Raises when nobody waits for the work any more.
Progress: TypeAlias = Callable[[str, int, int], None]
#: A detection that overlaps a face so much is the same face.
SAME_IOU = 0.4
#: Below these a face is worth a person's look: the detector's score, the size in pixels.
_UNSURE, _SMALL = 0.95, 24.0


class Work(Protocol):
    """One upload on its way to a saved file; used by one thread, read by others."""

    @property
    def kind(self) -> str:
        """`photo` or `film`."""
        ...

    @property
    def view(self) -> dict[str, Any]:
        """Current state for the page, as plain values."""
        ...

    @property
    def faces(self) -> Sequence[dict[str, Any]]:
        """Every face or track, as plain values."""
        ...

    def check(self, corrections: Sequence[Correction]) -> None:
        """Refuse corrections that make no sense, before any is done."""
        ...

    def process(self, progress: Progress) -> None:
        """Find everybody and give them new faces."""
        ...

    def correct(self, corrections: Sequence[Correction], progress: Progress) -> None:
        """Do as a person decided."""
        ...

    def save(self, progress: Progress) -> None:
        """Search the result once more, and make it final."""
        ...

    def boxes(self) -> BoxedFile:
        """Boxes for `deid run --boxes`: people to keep are marked, and boxes without a face are left out."""
        ...

    def report(self) -> dict[str, Any]:
        """The report: a result for every face."""
        ...


def same(detection: Detection, others: Sequence[Detection]) -> bool:
    """Whether a detection is of one of some faces."""
    if not others:
        return False
    return bool((geometry.box_iou(detection.box_xyxy, np.stack([o.box_xyxy for o in others])) >= SAME_IOU).any())


def doubts(detection: Detection, covered: bool, decision: Decision) -> list[str]:
    """Why a face is worth a person's look; nothing once a person has decided."""
    if decision.action != "restore":
        return []
    found = []
    if detection.score < _UNSURE:
        found.append(f"the detector is not sure: {detection.score:.2f}")
    if detection.size < _SMALL:
        found.append(f"small: {detection.size:.0f} px")
    if covered:
        found.append("covered, no new face")
    return found


def named(decision: Decision, method: str, strength: float) -> str:
    """The decision's effect, in words."""
    if decision.action == "not_a_face":
        return "Left as it is: not a face"
    if decision.action == "keep":
        return "Left as it is: this person is kept"
    if method == "attgan":
        return "New face"
    words = {"blur": "Blurred", "pixelate": "Pixelated", "solid": "Covered with one colour", "image": "Covered with a picture"}
    times = f" × {strength:g}" if method in ("blur", "pixelate") and strength != 1 else ""
    return words.get(method, method.capitalize()) + times
