"""New faces that fit into the photo."""

import numpy as np
from numpy.typing import NDArray

from deid.compositing.proposal import Proposal
from deid.core.protocols import Editor
from deid.core.types import AlignedFace
from deid.editing.checked import edit


def propose(editor: Editor, face: AlignedFace, sets: NDArray[np.float32], strength: float, mask: NDArray[np.float32]) -> list[Proposal]:
    """New faces that fit into the photo, one for each row of ``sets`` (N, D); ``mask`` (128, 128) says how much of a small crop shows."""
    return [Proposal.of(edited, face, mask) for edited in edit(editor, face, sets, strength)]
