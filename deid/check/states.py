"""State of every face: exposed, recognised, edited, covered, or missing."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Mean change in grey levels under which a face counts as left as it was. Saving an untouched LFW photo as JPEG of quality
#: 75 changes the middle of a face by 1 to 2 levels; the weakest blur and mosaic of the studies change it by more than 3.
UNCHANGED_BELOW = 2.5
#: In the dark all changes are small: a change of this share of the face's own contrast hides it too. Untouched frames, encoded
#: anew at the quality that `deid` writes, change by less than 0.2 of it.
CHANGED_SHARE = 0.3
#: States in which a face counts as exposed.
EXPOSED = ("unchanged", "recognised")
STATES = ("unchanged", "recognised", "edited", "covered", "missing")


class Judged(Protocol):
    """Values from which the state of a face follows."""

    @property
    def has_output(self) -> bool: ...

    @property
    def found_after(self) -> bool: ...

    @property
    def change(self) -> float: ...

    @property
    def contrast(self) -> float: ...


class Recognises(Protocol):
    """Answers of one recogniser about the faces; see `deid.check.recognition.Embedded`."""

    @property
    def recognised(self) -> NDArray[np.bool_]:
        """(N,), whether it takes each face for the one before."""
        ...


def states(faces: Sequence[Judged], embedded: Sequence[Recognises]) -> NDArray[np.str_]:
    """The state (N,) of every face.

    Definition, first that holds:
        ``missing``: there is no readable output, so nothing leaks and nothing is left to use.
        ``unchanged`` (exposed): the middle of the box changed by less than `UNCHANGED_BELOW` grey levels on average,
        and by less than `CHANGED_SHARE` of its own contrast: a cover over a flat place changes little. A detector
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


def is_unchanged(change: float, contrast: float) -> bool:
    """Whether what had that contrast is as it was, after a mean change of so many grey levels."""
    return change < UNCHANGED_BELOW and change < CHANGED_SHARE * contrast


def _state(face: Judged, close: bool) -> str:
    if not face.has_output:
        return "missing"
    if is_unchanged(face.change, face.contrast):
        return "unchanged"
    if close:
        return "recognised"
    return "edited" if face.found_after else "covered"
