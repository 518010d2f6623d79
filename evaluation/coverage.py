"""Coverage: the state of every face of the untouched photos in the output."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deid.check.states import EXPOSED, STATES
from evaluation import criteria
from evaluation.faces import Face
from evaluation.metrics.bootstrap import share_interval
from evaluation.privacy import groups_of
from evaluation.results import Measure, measure


def coverage(faces: Sequence[Face], found: NDArray[np.str_], seed: int) -> list[Measure]:
    """Exposed faces, then every state; the states add up to all faces."""
    lines, people = [], np.array([f.identity for f in faces])
    exposed = np.isin(found, EXPOSED)
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
