"""Whether a recogniser matches the face after to the face before, at a threshold set on untouched photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deid.check.faces import Face, crops_of
from deid.core.protocols import Embedder
from deid.core.types import Embeddings

FMRS = (1e-2, 1e-3, 1e-4)
#: The rate at which a single face counts as recognised.
WORKING_FMR = 1e-3
#: An output this much nearer than a black cover owes it to the face; less may be compression.
_NEARER = 0.9

#: Embeddings (N, D) before, after and covered.
Rows: TypeAlias = tuple[Embeddings, Embeddings, Embeddings]


class Known(Protocol):
    """Result of the thresholds for a face."""

    @property
    def identity(self) -> str: ...

    @property
    def main(self) -> bool: ...


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Distances of one recogniser for all faces.

    Args:
        recogniser: its name.
        before: (N, D) unit-norm rows.
        after: (N, D).
        covered: (N, D) of the untouched crops with the face in black: what the surroundings give away.
        thresholds: cosine by false match rate, set on untouched photos of this run where they are enough.
        note: where the thresholds come from.
    """

    recogniser: str
    before: Embeddings
    after: Embeddings
    covered: Embeddings
    thresholds: Mapping[float, float]
    note: str

    @property
    def distances(self) -> NDArray[np.float64]:
        """(N,) L2 distances before to after."""
        return np.asarray(np.linalg.norm(np.asarray(self.before, np.float64) - self.after, axis=1))

    @property
    def recognised(self) -> NDArray[np.bool_]:
        """(N,) whether the output is under the threshold, and nearer than the same photo with the face in black.

        Small faces and faces that the border cuts come under the threshold by their surroundings alone (one in ten of LFW's
        bystanders does); that is the context's doing, which the context attack measures, and not the method's.
        """
        surroundings = np.linalg.norm(np.asarray(self.before, np.float64) - self.covered, axis=1)
        return np.asarray((self.distances <= self.threshold) & (self.distances < _NEARER * surroundings))

    @property
    def threshold(self) -> float:
        """L2 distance under which a face counts as recognised."""
        return float(distance_of(self.thresholds[WORKING_FMR]))

    @classmethod
    def of(cls, recogniser: Embedder, rows: Rows, faces: Sequence[Known]) -> "Embedded":
        """Embeddings (N, D) before, after and covered of N faces, with thresholds set on the main ones."""
        mains = [i for i, f in enumerate(faces) if f.main]
        thresholds, note = fix_thresholds(rows[0][mains], [faces[i].identity for i in mains], recogniser.threshold)
        return cls(recogniser.name, *rows, thresholds, note)


def embed(recogniser: Embedder, faces: Sequence[Face]) -> Embedded:
    """Embeddings of all faces before, after and covered, with thresholds."""
    before, after, covered = (recogniser.embed(crops_of(faces, kind)) for kind in ("before", "after", "covered"))
    return Embedded.of(recogniser, (before, after, covered), faces)


def fix_thresholds(untouched: Embeddings, identities: Sequence[str], fallback: float) -> tuple[dict[float, float], str]:
    """Cosine thresholds by false match rate, from all pairs of different people among untouched photos.

    Rates that too few pairs can show are left out; for the working rate the recogniser's own threshold stands in.
    """
    others = strangers(untouched, identities)
    found = {fmr: score_threshold(others, fmr) for fmr in FMRS if len(others) * fmr >= 1}
    if WORKING_FMR in found:
        return found, f"set on {len(others)} pairs of strangers of this run"
    return {**found, WORKING_FMR: 1 - fallback**2 / 2}, "the recogniser's own: this run has too few strangers"


def distance_of(score: ArrayLike) -> NDArray[np.float64]:
    """L2 distance of two unit vectors from their cosine.

    Formula: ``sqrt(2 - 2 s)``, in [0, 2]. Direction: higher means more privacy. Paper: FaceNet, Schroff et al. 2015, eq. 1.
    """
    return np.sqrt(np.maximum(2.0 - 2.0 * np.asarray(score, np.float64), 0.0))


def score_threshold(non_mated: ArrayLike, fmr: float) -> float:
    """The least score that at most a share ``fmr`` of the non-mated pairs exceed.

    Formula: the ``(1 - fmr)`` quantile of non-mated scores, taken from above, so that the rate is never over ``fmr``.
    It is set on untouched photos and never on the method's output: the attacker fixed it before.
    Direction: none. Paper: ISO/IEC 19795-1, section 4.5.

    Raises:
        ValueError: there are too few pairs to see that rate.
    """
    scores = np.asarray(non_mated, np.float64)
    if len(scores) * fmr < 1:
        raise ValueError(f"expected at least {round(1 / fmr)} non-mated pairs for a false match rate of {fmr:g}, got {len(scores)}")
    return float(np.quantile(scores, 1 - fmr, method="higher"))


def strangers(embeddings: Embeddings, identities: Sequence[str]) -> NDArray[np.float64]:
    """Cosines of all pairs of faces of different people."""
    names = np.asarray(identities)
    later = np.triu(names[:, None] != names[None], 1)
    rows = np.asarray(embeddings, np.float64)
    return np.asarray((rows @ rows.T)[later])
