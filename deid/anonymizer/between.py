"""The frames of a video between two keyframes: the new face of the last one is moved, and not made anew."""

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.face import Face
from deid.anonymizer.parts import Parts
from deid.anonymizer.pasted import Fitted, Pasted
from deid.anonymizer.request import Level
from deid.core.types import EditedFace, Image, Verification
from deid.editing.sampler import portraits_of
from deid.editing.stand_in import shape_for
from deid.imaging import geometry

#: A new face, the frame (H, W, 3) with it, where (H, W) that was touched, and the gate's verdict.
Shown = tuple[EditedFace, Image, NDArray[np.bool_], Verification]


def moved(models: Parts, face: Face, level: Level, photo: Image) -> Shown | None:
    """The new face of the last keyframe, moved into this frame; None in a keyframe, and when there is none."""
    tracked = face.request.tracked
    kept = _kept(face, level)
    if tracked is None or tracked.check is None or kept is None:
        return None
    return _shown(face, photo, kept, _shape(models, face, kept.edited), tracked.check)


def faded(models: Parts, face: Face, level: Level, photo: Image, proposal: Fitted, check: Verification) -> Shown | None:
    """The new face of a keyframe, faded in over that of the keyframe before; it is kept for the following frames.

    Args:
        models: the parts that a face is edited with.
        face: of a photo or of a video.
        level: that made it.
        photo: (H, W, 3) uint8 RGB, without it.
        proposal: what passed.
        check: the gate's verdict on it.

    Returns:
        None in a photo, in the first keyframe, and where each frame is made anew.
    """
    tracked = face.request.tracked
    # A head is reshaped after its face was pasted.
    if tracked is None or models.options.reach != "face":
        return None
    new = proposal.edited.stand_in
    shape = geometry.apply(face.matrix, tracked.shape) if new is None else new.points
    before, so_far = _kept(face, level), tracked.steady.kept("faded") or 1.0
    kept = Pasted.of(proposal, face.matrix, shape, before, so_far)
    tracked.steady.keep("pasted", (level, kept))
    tracked.steady.keep("faded", tracked.faded)
    return None if kept.before is None else _shown(face, photo, kept, shape, check)


def _kept(face: Face, level: Level) -> Pasted | None:
    """The new face that the level pasted in the last keyframe of a video; None when another level did."""
    tracked = face.request.tracked
    kept: tuple[Level, Pasted] | None = None if tracked is None else tracked.steady.kept("pasted")
    return None if kept is None or kept[0] is not level else kept[1]


def _shown(face: Face, photo: Image, kept: Pasted, shape: NDArray[np.float64], check: Verification) -> Shown:
    tracked = face.request.tracked
    assert tracked is not None
    tracked.steady.keep("faded", tracked.faded)
    return kept.edited, *kept.paste(photo, face.matrix, shape, tracked.faded), check


def _shape(models: Parts, face: Face, edited: EditedFace) -> NDArray[np.float64]:
    """Landmarks (68, 2) of a new face in the crop of a video's frame: those of its stand-in, where it has one."""
    tracked, bank = face.request.tracked, models.portraits
    assert tracked is not None
    points = geometry.apply(face.matrix, tracked.shape)
    if bank is None or edited.stand_in is None or edited.attributes is None:
        return points
    return shape_for(bank, *portraits_of(edited.attributes), points, tracked.steady)
