"""One way to edit a face."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Editor


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One way to edit a face.

    Args:
        editor: who edits.
        strength: how hard.
        pastes_face: whether a new face is pasted; otherwise the box is covered.
        n_sets: attribute sets to generate.
        n_proposals: sets that the selector ranks for each of them.
        last: whether no harder level follows.
        sets: (1, D) attribute set that was chosen for this face before; None to draw `n_sets` new ones.
        accepted: whether that set was accepted in several frames of the person; this relaxes the gender check.
        round: which of the levels of this kind it is.
    """

    editor: Editor
    strength: float
    pastes_face: bool
    n_sets: int = 1
    n_proposals: int = 1
    last: bool = False
    sets: NDArray[np.float32] | None = None
    accepted: bool = False
    round: int = 0
