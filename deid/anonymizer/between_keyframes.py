"""The frames of a video between two keyframes: the new face of the last one is moved, and not made anew."""

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.face import Face
from deid.anonymizer.parts import Parts
from deid.anonymizer.pasted import Pasted
from deid.anonymizer.request import Level
from deid.compositing.proposal import Shown
from deid.core.types import EditedFace, Image
from deid.editing.sampler import portraits_of
from deid.editing.stand_in import shape_for
from deid.imaging import geometry
from deid.verification.attempts import LEAST_EDITED, Attempt, Judged


def move_last_face(models: Parts, face: Face, level: Level, frame: Image) -> Attempt[Level] | None:
    """The new face that the level pasted in the last keyframe, moved into a frame (H, W, 3); None when there is none."""
    tracked, kept = face.request.tracked, _kept(face, level)
    if tracked is None or kept is None:
        return None
    shown = _shown(face, frame, kept, _shape(models, face, kept.edited))
    return Attempt(level, lambda _: shown, verdict_before=tracked.check)


def fade_over_last_face(models: Parts, face: Face, frame: Image, new: Judged[Level]) -> Shown | None:
    """The new face of a keyframe, faded in over that of the keyframe before; it is kept for the following frames.

    Args:
        models: the parts that a face is edited with.
        face: of a video.
        frame: (H, W, 3) uint8 RGB, without it.
        new: the new face that passed.

    Returns:
        None in the first keyframe, and where less than enough of the face would be touched.
    """
    tracked, proposal = face.request.tracked, new.attempt.proposals[new.number]
    # A head is reshaped after its face was pasted.
    if tracked is None or models.options.reach != "face":
        return None
    stand_in = proposal.edited.stand_in
    shape = geometry.apply(face.matrix, tracked.shape) if stand_in is None else stand_in.points
    before, so_far = _kept(face, new.attempt.level), tracked.steady.kept("faded") or 1.0
    kept = Pasted.of(proposal, face.matrix, shape, before, so_far)
    tracked.steady.keep("pasted", (new.attempt.level, kept))
    tracked.steady.keep("faded", tracked.faded)
    if kept.before is None:
        return None
    shown = _shown(face, frame, kept, shape)
    return shown if geometry.share_of_middle(face.detection.box_xyxy, shown.touched) >= LEAST_EDITED else None


def _kept(face: Face, level: Level) -> Pasted | None:
    """The new face that the level pasted in the last keyframe of a video; None when another level did."""
    tracked = face.request.tracked
    kept: tuple[Level, Pasted] | None = None if tracked is None else tracked.steady.kept("pasted")
    return None if kept is None or kept[0] is not level else kept[1]


def _shown(face: Face, photo: Image, kept: Pasted, shape: NDArray[np.float64]) -> Shown:
    tracked = face.request.tracked
    assert tracked is not None
    tracked.steady.keep("faded", tracked.faded)
    own = None if kept.edited.stand_in is None else geometry.apply(face.matrix, tracked.shape)
    image, touched = kept.paste(photo, face.matrix, shape, tracked.faded, own)
    return Shown.of(kept.edited, photo, image, touched, mask=lambda: kept.mask(shape, tracked.faded))


def _shape(models: Parts, face: Face, edited: EditedFace) -> NDArray[np.float64]:
    """Landmarks (68, 2) of a new face in the crop of a video's frame: those of its stand-in, where it has one."""
    tracked, bank = face.request.tracked, models.portraits
    assert tracked is not None
    points = geometry.apply(face.matrix, tracked.shape)
    if bank is None or edited.stand_in is None or edited.attributes is None:
        return points
    return shape_for(bank, *portraits_of(edited.attributes), points, tracked.steady)
