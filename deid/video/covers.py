"""Covers of a video: laid beneath new faces, and coming and going slowly."""

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import fallback
from deid.anonymizer.cover import cover
from deid.anonymizer.parts import Engine
from deid.anonymizer.request import EditedRequests, Level
from deid.core.types import Detection
from deid.imaging import geometry
from deid.video.frames import FadingFace, TrackedFace
from deid.video.roles import Role


class Covers:
    """Lays covers over the frames of one video, in place.

    Args:
        engine: whose options and filters are used.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def lay(self, face: TrackedFace, role: Role, done: EditedRequests, touched: NDArray[np.bool_]) -> None:
        """The cover of a face without a new one."""
        if (method := self._lay(role.cover, face.detection, done, touched)) is not None:
            role.summary.methods[method] += 1
            role.summary.asked |= method == self._engine.options.method

    def lay_fading(self, fading: FadingFace, role: Role | None, done: EditedRequests, touched: NDArray[np.bool_]) -> None:
        """A cover that comes or goes, if it is of a kind that fades at its border too."""
        level = fallback.softer_covers(self._engine.models)[-1] if role is None else role.cover
        if level.fades and fading.face.detection.label == "face":
            self._lay(level, fading.face.detection, done, touched, fading.share)

    def _lay(
        self,
        level: Level,
        detection: Detection,
        done: EditedRequests,
        touched: NDArray[np.bool_],
        share: float = 1.0,
    ) -> str | None:
        """Lay a cover over a frame so that this share of it shows; only the part of the frame around the face is worked on.

        Returns:
            The cover's name; None for a face outside of the frame.
        """
        out, margin = done.image, self._engine.options.margin
        box = geometry.expand_box(detection.box_xyxy, 1 + 2 * margin)
        inside = geometry.box_to_slices(box, out.shape[:2])
        if any(side.stop <= side.start for side in inside):
            # A face that walks out is remembered just outside the frame.
            return None
        rows, columns = geometry.box_to_slices(box + np.array([-2.0, -2.0, 2.0, 2.0]), out.shape[:2])
        here = detection.moved(np.ones(2), -np.array([columns.start, rows.start], float))
        shown = cover(level, np.ascontiguousarray(out[rows, columns]), here, margin)
        patch = shown.patch.moved(rows.start, columns.start)
        beside = done.beneath(patch.place, patch.touched)
        (patch if share == 1 else patch.faded(out, share)).beside(beside, out).lay(out, touched)
        return shown.edited.method
