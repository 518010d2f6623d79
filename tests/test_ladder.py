"""New faces on their way into the photo."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from deid import blend
from deid.align import TEMPLATE
from deid.ladder import Rung
from deid.structures import AlignedFace, Detection, EditedFace


class _Orange:
    """Proposes one orange face."""

    name = "orange"

    def __init__(self, lit: bool) -> None:
        self._lit = lit

    def edit(self, face: AlignedFace, attributes: NDArray[np.float32], strength: float = 1.0) -> Sequence[EditedFace]:
        crop = np.full_like(face.crop, (220, 130, 60))
        crop[60:70, 50:80] //= 2
        return [EditedFace(crop, self.name, lit=self._lit)]


@pytest.mark.parametrize("lit", [True, False])
def test_colours_are_matched_once(lit: bool) -> None:
    """Who has lit a new face as the photo is keeps its colours, and another gets the photo's."""
    rng = np.random.default_rng(0)
    photo = np.clip(rng.normal((90, 110, 140), 12, (128, 128, 3)), 0, 255).astype(np.uint8)
    face = AlignedFace(photo, np.eye(2, 3), Detection(np.array([28.0, 18.0, 100.0, 112.0]), landmarks=TEMPLATE))
    mask = blend.face_mask(None)
    (proposal,) = Rung(_Orange(lit), 1.0, pastes_face=True).propose(face, np.zeros((1, 29), np.float32), mask)
    away = np.abs(proposal.crop[mask > 0.9].mean(axis=0) - photo.mean(axis=(0, 1))).max()
    assert (away > 60) == lit
    np.testing.assert_array_equal(proposal.blended, blend.blend_crop(proposal.crop, photo, mask))
