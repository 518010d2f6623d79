"""State of every face: exposed, recognised, edited, covered, or missing."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deid.check.recognition import Embedded

#: Mean change in grey levels under which a face counts as left as it was. Saving an untouched LFW photo as JPEG of quality
#: 75 changes the middle of a face by 1 to 2 levels; the weakest blur and mosaic of the studies change it by more than 3.
UNCHANGED_BELOW = 2.5
#: States in which a face counts as exposed.
EXPOSED = ("unchanged", "recognised")
STATES = ("unchanged", "recognised", "edited", "covered", "missing")


class Judged(Protocol):
    """What a state asks of a face."""

    @property
    def has_output(self) -> bool: ...

    @property
    def found_after(self) -> bool: ...

    @property
    def change(self) -> float: ...


def states(faces: Sequence[Judged], embedded: Sequence[Embedded]) -> NDArray[np.str_]:
    """The state (N,) of every face.

    Definition, first that holds:
        ``missing``: there is no readable output, so nothing leaks and nothing is left to use.
        ``unchanged`` (exposed): the middle of the box changed by less than `UNCHANGED_BELOW` grey levels on average. A detector
        is not asked: what is as it was before is seen by anyone.
        ``recognised`` (exposed): changed, but some recogniser's distance to the face before is under its threshold at FMR 1e-3
        and nearer than a black cover would be (`Embedded.recognised`). Whether a detector still finds a face is not asked
        either: an attacker knows where heads are, and a faint blur can switch a detector off before a recogniser.
        ``edited``: another face is found there. ``covered``: no face is found there.
    """
    close = np.zeros(len(faces), bool)
    for found in embedded:
        close |= found.recognised
    return np.array([_state(face, bool(near)) for face, near in zip(faces, close, strict=True)], dtype="<U10")


def _state(face: Judged, close: bool) -> str:
    if not face.has_output:
        return "missing"
    if face.change < UNCHANGED_BELOW:
        return "unchanged"
    if close:
        return "recognised"
    return "edited" if face.found_after else "covered"
