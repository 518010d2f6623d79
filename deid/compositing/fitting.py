"""From what an editor made to the photo with it: the colours and the sharpness of the photo, a seam, and another head where asked."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing import blend, head
from deid.compositing.compose import compose
from deid.compositing.proposal import Proposal, Shown
from deid.core.types import AlignedFace, EditedFace, Image
from deid.imaging.geometry import averaged
from deid.imaging.template import SIZE, disc

#: A part of the mask that no disc of this radius fits into, in pixels of 128, is no face.
_LEAST = 10


def fit_to_photo(edited: Sequence[EditedFace], face: AlignedFace, glasses: bool = True) -> list[Proposal]:
    """What an editor made for a face, each fitted to its photo; ``glasses`` is for `compose`."""
    mask = blend.face_mask(face.points, crop=face.crop)
    return [_fit_to_photo(one, face, mask, glasses) for one in edited]


def _fit_to_photo(edited: EditedFace, face: AlignedFace, mask: NDArray[np.float32], glasses: bool) -> Proposal:
    """A stand-in at the photo's scale, or a small crop inside ``mask`` (128, 128)."""
    if edited.stand_in is None or face.large is None:
        crop = blend.match(edited.crop, face.crop, mask)
        return Proposal(edited, crop, mask, face.crop)
    crop, shown, fit = compose(edited.stand_in, face, glasses)
    return Proposal(edited, crop, shown, face.large, fit)


def paste_into_photo(proposal: Proposal, photo: Image, face: AlignedFace, head_seed: int | None = None) -> Shown:
    """A photo (H, W, 3) with a new face in place of this one; with a seed another head is drawn around it too."""
    image, touched = proposal.paste(photo, face.matrix)
    if head_seed is not None:
        assert face.points is not None
        shape = head.Shape.draw(np.random.default_rng(head_seed))
        image, touched = head.reshape(image, touched, face.matrix, face.points, shape)
    # Where glasses were taken off beside it there is no face.
    mask = np.asarray(cv2.morphologyEx(averaged(proposal.mask, SIZE), cv2.MORPH_OPEN, disc(_LEAST)), np.float32)
    return Shown.of(proposal.edited, photo, image, touched, proposal.fit, lambda: mask)
