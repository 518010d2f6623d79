"""What is generated for a face: stand-ins that the selector likes, and of these the one whose sketch lies farthest from it.

A sketch is a stand-in in small, without an edit. What an edit moves is small beside what lies between two portraits, and a sketch takes a
quarter of a new face's time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.face import Face
from deid.anonymizer.parts import Parts
from deid.anonymizer.request import Level
from deid.compositing.compose import sketch
from deid.compositing.glasses import without
from deid.core.attributes import ATTRIBUTES
from deid.core.types import AlignedFace
from deid.editing.sampler import SET_SIZE, portraits_of, sample_sets, without_portraits
from deid.editing.stand_in import stand_in
from deid.recognition.source_face import SourceFace
from deid.verification.attempts import LEAST_FIT
from deid.verification.ranking import FAR

#: So many more stand-ins than are sketched does the selector see.
_TO_CHOOSE_FROM = 2


class Candidates(NamedTuple):
    """What is generated for a face: stand-ins, each with an attribute set.

    Args:
        sets: (N, D) attribute sets with the portraits of their stand-ins, one a row.
        expected: (N,) what the selector expects of each.
    """

    sets: NDArray[np.float32]
    expected: NDArray[np.float64]


def candidates_for(models: Parts, face: Face, level: Level, aligned: AlignedFace, rng: np.random.Generator) -> Candidates:
    """The candidates that a level generates for a face.

    They are the level's own; or of those that the selector ranks best, the ones whose sketches lie farthest from the face; none where no
    portrait is left.
    """
    if level.sets is not None:
        return Candidates(level.sets, np.ones(len(level.sets)))
    male, bank = face.source.male > 0.5, models.portraits
    if bank is None:
        return Candidates(without_portraits(sample_sets(male, level.n_sets, rng, level.strength)), np.ones(level.n_sets))
    if not face.stand_ins or face.looks is None:
        return Candidates(np.zeros((0, SET_SIZE), np.float32), np.ones(0))
    if len(face.used) == len(face.stand_ins):
        face.used.clear()
    # Drawn at random, the first ones are. A selector that saw all of them would give somebody the same portrait in each of many photos.
    free = [i for i in range(len(face.stand_ins)) if i not in face.used][: level.n_sketched + _TO_CHOOSE_FROM]
    rows = np.repeat([face.stand_ins[i] for i in free], level.n_proposals, axis=0)
    rows[:, : len(ATTRIBUTES)] = sample_sets(male, len(rows), rng, level.strength)
    value = np.ones(len(rows)) if models.selector is None else models.selector.judge(face.looks, bank, rows).value
    # At most one of a stand-in: two sets on one portrait make two faces that are much alike.
    best = [group[value[group].argmax()] for group in np.array_split(np.arange(len(rows)), len(free))]
    ranked = sorted(best, key=lambda i: -value[i])[: level.n_sketched]
    chosen = [ranked[i] for i in _farthest(models, face.source, aligned, rows[ranked], level.n_sets)]
    face.used.update(free[i // level.n_proposals] for i in chosen)
    return Candidates(rows[chosen], value[chosen])


def _farthest(models: Parts, source: SourceFace, aligned: AlignedFace, rows: NDArray[np.float32], n: int) -> list[int]:
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
