"""Sketches of new faces: stand-ins in small, without an edit. Of several new faces they tell which one to make.

A sketch and a glance at it take a fifth of a new face's time, without what both share.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.request import Level
from deid.compositing.compose import sketched
from deid.core.protocols import SketchingEditor
from deid.core.types import AlignedFace
from deid.recognition.source_face import SourceFace
from deid.verification.attempts import Attempt, Sketched
from deid.verification.gate import Gate


def sketch(
    gate: Gate, source: SourceFace, aligned: AlignedFace, level: Level, sets: NDArray[np.float32], make: Callable[[], Attempt[Level]]
) -> Sketched[Level] | None:
    """A sketch of a level's new face.

    Args:
        gate: looks at it.
        source: the face before.
        aligned: the same with all inputs of editors.
        level: whose editor sketches.
        sets: (N, D) attribute sets of the level.
        make: makes it.

    Returns:
        None where there are several, and where the editor knows no sketches.
    """
    editor = level.editor
    if not isinstance(editor, SketchingEditor) or not _edits_what_it_sketches(editor) or len(sets) > 1:
        return None
    crop, fit = sketched(editor.sketch(aligned, sets[0]), aligned, level.glasses)
    return Sketched(level, gate.glance(source, crop), fit, make, level.glasses and aligned.wears_glasses)


def _edits_what_it_sketches(editor: SketchingEditor) -> bool:
    """Whether both are of one class. One that was derived from it, and edits in its own way, makes other faces than the sketches show."""
    edits, sketches = (next((c for c in type(editor).__mro__ if name in vars(c)), None) for name in ("edit", "sketch"))
    return edits is sketches
