"""Validation of an editor's answer: the editor may be the caller's own."""

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DeidError, EditError
from deid.core.protocols import Editor, name_of
from deid.core.types import AlignedFace, EditedFace


def edit(editor: Editor, face: AlignedFace, sets: NDArray[np.float32], strength: float) -> list[EditedFace]:
    """An editor's proposals for a face, one for each row of ``sets`` (N, D).

    Raises:
        EditError: the editor failed, or what it returned are no crops of the face's size.
    """
    name = name_of(editor)
    try:
        proposals = list(editor.edit(face, sets, strength))
    except DeidError:
        raise
    except Exception as error:
        raise EditError(f"{name} failed: {error}") from error
    for p in proposals:
        crop = p.crop if isinstance(p, EditedFace) else None
        if not isinstance(crop, np.ndarray) or crop.shape != face.crop.shape or crop.dtype != np.uint8:
            got = f"{crop.dtype} {crop.shape}" if isinstance(crop, np.ndarray) else type(p).__name__
            raise EditError(f"expected crops of uint8 {face.crop.shape} from {name}, got {got}")
    if not proposals:
        raise EditError(f"{name} proposed no face")
    return proposals
