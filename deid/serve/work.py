"""Interface that photos and films share, and how faces are shown."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.boxes.types import BoxedFile
from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.serve.corrections import Correction, Decision

#: Called with the name of a step, how much of it is done, and of how much (0: unknown). Raises when nobody waits for the work any more.
Progress: TypeAlias = Callable[[str, int, int], None]
#: A detection that overlaps a face so much is the same face.
SAME_IOU = 0.4
#: A face is shown with its surroundings, so many times its box.
_AROUND, _THUMB = 1.7, 176
#: Below these a face is worth a person's look: the detector's score, the size in pixels.
_UNSURE, _SMALL = 0.95, 24.0


class Work(Protocol):
    """One upload on its way to a saved file; used by one thread, read by others."""

    kind: str

    @property
    def view(self) -> dict[str, Any]:
        """What it looks like now, as plain values."""
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
        """Where everybody is, for `deid run --boxes`: people to keep are marked, and what is no face is left out."""
        ...

    def report(self) -> dict[str, Any]:
        """The report: a result for every face."""
        ...


def jpeg(image: Image, longest: int | None = None) -> bytes:
    """A picture (H, W, 3) to look at, no longer than that on its longer side."""
    page = PillowImage.fromarray(image)
    if longest is not None:
        page.thumbnail((longest, longest), PillowImage.Resampling.LANCZOS)
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def thumbnail(image: Image, box_xyxy: NDArray[np.float64]) -> bytes:
    """A face with a little around it as a small square JPEG."""
    x0, y0, x1, y1 = geometry.expand_box(box_xyxy, _AROUND)
    half, middle = max(x1 - x0, y1 - y0, 8.0) / 2, ((x0 + x1) / 2, (y0 + y1) / 2)
    square = tuple(round(v) for v in (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half))
    rows, columns = geometry.box_to_slices(np.array(square, float), image.shape[:2])
    part = PillowImage.fromarray(image[rows, columns])
    page = PillowImage.new("RGB", (square[2] - square[0], square[3] - square[1]), (127, 127, 127))
    page.paste(part, (columns.start - square[0], rows.start - square[1]))
    buffer = io.BytesIO()
    page.resize((_THUMB, _THUMB), PillowImage.Resampling.LANCZOS).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


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
    """What was done, in words."""
    if decision.action == "not_a_face":
        return "Left as it is: not a face"
    if decision.action == "keep":
        return "Left as it is: this person is kept"
    if method == "attgan":
        return "New face"
    words = {"blur": "Blurred", "pixelate": "Pixelated", "solid": "Covered with one colour", "image": "Covered with a picture"}
    times = f" × {strength:g}" if method in ("blur", "pixelate") and strength != 1 else ""
    return words.get(method, method.capitalize()) + times
