"""Sketches: stand-ins in small, without an edit. Of a few, the one that lies farthest from a face is worth making.

What an edit moves is small beside what lies between two portraits, and a sketch takes a quarter of a new face's time.
"""

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.parts import Parts
from deid.compositing.compose import sketch
from deid.compositing.glasses import without
from deid.core.types import AlignedFace
from deid.editing.sampler import portraits_of
from deid.editing.stand_in import stand_in
from deid.recognition.source_face import SourceFace
from deid.verification.attempts import LEAST_FIT
from deid.verification.ranking import FAR


def farthest(models: Parts, source: SourceFace, aligned: AlignedFace, rows: NDArray[np.float32], n: int) -> list[int]:
    """Numbers of at most ``n`` rows, those whose stand-ins lie farthest from a face; those that lie as far as most strangers come in order.

    Args:
        models: whose gate measures them.
        source: the face before.
        aligned: the same with all inputs of editors.
        rows: (N, SET_SIZE) with portraits, best first.
        n: how many are wanted.
    """
    bank = models.portraits
    if bank is None or len(rows) <= n:
        return [*range(len(rows))][:n]
    small, margins = without(aligned), list[float]()
    assert small.points is not None
    for row in rows:
        made = stand_in(bank, *portraits_of(row), small.crop, small.crop, small.points)
        crop, fit = sketch(made, small)
        far = float(models.gate.margins(source, crop[None])[0]) if fit.value >= LEAST_FIT else 0.0
        margins.append(min(far, FAR))
        if margins.count(FAR) == n:
            break
    return sorted(range(len(margins)), key=lambda i: -margins[i])[:n]
