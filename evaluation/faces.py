"""Every face of an untouched photo, with all values that the report needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deid.check import faces as core
from deid.check.faces import Seen, covered
from deid.core.protocols import Detector
from deid.core.types import AlignedFace, Detection, Image
from deid.imaging import geometry
from deid.imaging.alignment import align_matrix, landmarks_of, warp
from deid.imaging.template import SIZE
from deid.landmarks.face_points import FacePoints
from evaluation.close import LEAST_PX, Close, close_look
from evaluation.metrics.landmarks import angle_difference, head_pose, mouth_opening


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Face(core.Face):
    """One face before and after, with its pose, mouth, surroundings and a close look.

    Args:
        pose_change_deg: mean absolute change of yaw, pitch and roll; NaN when it is not found.
        mouth_change: change of the mouth's opening; NaN when it is not found.
        context_before: (128, 128, 3) the surroundings at half the scale with the face in black; None when not requested.
        context_after: the same of the output.
        gender: ``male``, ``female`` or empty.
        close: what a close look shows, of a face that is large enough and has an output; None when not requested.
    """

    pose_change_deg: float
    mouth_change: float
    context_before: NDArray[np.uint8] | None = None
    context_after: NDArray[np.uint8] | None = None
    gender: str = ""
    close: Close | None = None


PhotoResult = core.PhotoResult[Face]


class Observer(core.Observer[Face]):
    """Finds the faces of photos before and after; the detectors are loaded once.

    Args:
        detectors: the two detectors.
        points: gives 68 points of a crop; None leaves pose and mouth out.
        context: whether to keep the surroundings of each face.
        close: whether to take close-ups of large faces.
    """

    def __init__(self, detectors: Sequence[Detector], points: FacePoints | None = None, context: bool = False, close: bool = False) -> None:
        super().__init__(detectors, self._face)
        self._points, self._context, self._close = points, context, close

    def _face(self, seen: Seen, main: bool, number: int) -> Face:
        pair, known, output = seen.pair, seen.known, seen.output
        pose, mouth = self._expression(seen) if seen.found is not None else (np.nan, np.nan)
        large = self._close and pair.after is not None and known.size >= LEAST_PX
        return Face(
            **seen.facts(main, number),
            pose_change_deg=pose,
            mouth_change=mouth,
            context_before=surroundings(pair.before, known) if self._context else None,
            context_after=surroundings(output, known) if self._context else None,
            close=close_look(pair.before, output, seen.before) if large else None,
        )

    def _expression(self, seen: Seen) -> tuple[float, float]:
        if self._points is None:
            return float("nan"), float("nan")
        points = [
            geometry.apply(geometry.invert(align_matrix(landmarks_of(d))), self._points.points(face.crop))
            for face, d in ((seen.before, seen.known), (seen.after, seen.place))
        ]
        pose = [head_pose(p, (seen.output.shape[0], seen.output.shape[1])) for p in points]
        return float(angle_difference(*pose).mean()), abs(mouth_opening(points[0]) - mouth_opening(points[1]))


def surroundings(image: Image, face: Detection) -> NDArray[np.uint8]:
    """A crop (128, 128, 3) around a face at half the scale of an aligned one, with the face's box and a margin in black."""
    half = np.array([[0.5, 0.0, SIZE / 4], [0.0, 0.5, SIZE / 4]])
    wide = geometry.after(half, align_matrix(landmarks_of(face)))
    return covered(AlignedFace(warp(image, wide), wide, face))


def with_genders(faces: Sequence[Face], labelled: dict[str, str], male: NDArray[np.float64] | None) -> list[Face]:
    """Faces with their gender: labelled for the main face of a listed file, else read from the untouched crop.

    Args:
        faces: to complete.
        labelled: gender by file name.
        male: (N,) probability of `Male` before; None when no classifier is there.
    """
    guessed = ["" if male is None else ("male" if male[i] > 0.5 else "female") for i in range(len(faces))]
    return [replace(f, gender=(labelled.get(f.file.rsplit("/", 1)[-1], g) if f.main else g)) for f, g in zip(faces, guessed, strict=True)]
