"""Coverage: what became of every face of the untouched photos."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation import criteria
from evaluation.faces import Face
from evaluation.metrics.bootstrap import share_interval
from evaluation.privacy import Embedded, groups_of
from evaluation.results import Measure, measure

#: Mean change in grey levels under which a face counts as left as it was. Saving an untouched LFW photo as JPEG of quality
#: 75 changes the middle of a face by 1 to 2 levels; the weakest blur and mosaic of the studies change it by more than 3.
UNCHANGED_BELOW = 2.5
STATES = ("unchanged", "recognised", "edited", "covered", "missing")


def states(faces: Sequence[Face], embedded: Sequence[Embedded]) -> NDArray[np.str_]:
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


def _state(face: Face, close: bool) -> str:
    if not face.has_output:
        return "missing"
    if face.change < UNCHANGED_BELOW:
        return "unchanged"
    if close:
        return "recognised"
    return "edited" if face.found_after else "covered"


def coverage(faces: Sequence[Face], found: NDArray[np.str_], seed: int) -> list[Measure]:
    """Exposed faces, then every state; the states add up to all faces."""
    lines, people = [], np.array([f.identity for f in faces])
    exposed = np.isin(found, ("unchanged", "recognised"))
    for group, mask in groups_of(faces).items():
        share = share_interval(exposed[mask], list(people[mask]), seed)
        note = f"{int(exposed[mask].sum())} of {int(mask.sum())} faces"
        verdict = criteria.at_most(share.value, 0.0, "none")
        lines.append(measure("coverage", "exposed", share, verdict, better="lower", unit="%", group=group, control=1.0, note=note))
    for state in STATES:
        share = share_interval(found == state, list(people), seed)
        lines.append(
            measure(
                "coverage",
                f"of these: {state}" if state in STATES[:2] else state,
                share,
                unit="%",
                note=f"{int((found == state).sum())} faces",
            )
        )
    return lines
