"""Choice of one new face for a person in several pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import fallback, stand_ins
from deid.anonymizer.face import Face
from deid.anonymizer.face_editor import VIDEO_SCALE, FaceEditor
from deid.anonymizer.parts import Parts
from deid.anonymizer.request import Level, Request
from deid.anonymizer.treatment import why_cover
from deid.core.types import AlignedFace, Detection, Image
from deid.editing.sampler import portraits_of
from deid.recognition.source_face import SourceFace
from deid.verification import attempts
from deid.verification.attempts import Attempt, Judged
from deid.verification.ranking import is_far, margin


def choose(models: Parts, views: Sequence[tuple[Image, Detection]], seed: int, taken: Sequence[Level] = ()) -> Level | None:
    """Draw a new face for one person that the gate lets pass in several pictures; see `Anonymizer.choose`."""
    editor = FaceEditor(models, VIDEO_SCALE)
    views = [(image, d) for image, d in views if not why_cover(image, d, models.options, models.gate.detector)]
    if not views:
        return None
    photo, detection = views[0]
    face = editor.prepare(photo, Request(detection), seed, 0)
    worn = {i for level in taken if level.sets is not None for i in portraits_of(level.sets[0])[0]}
    stand_ins.reserve(models, photo, [face], [face], worn)
    if stand_ins.LANDMARKS_APART in face.why:
        return choose(models, views[1:], seed, taken)
    aligned = editor.align(face, photo)

    def made(level: Level) -> Attempt[Level] | None:
        """What a level makes of the person in the first picture; None where no portrait is left."""
        candidates = stand_ins.candidates_for(models, face, level, np.random.default_rng([face.seed, level.round]))
        if not len(candidates.sets):
            return None
        return editor.new_faces(face, replace(level, sets=candidates.sets), photo, aligned, candidates)

    others = _OtherViews(models, views[1:])
    levels = fallback.new_faces(models.options, models.editor)
    levels = fallback.glasses_first(levels) if aligned.wears_glasses else levels
    alike = (some for _, some in groupby(levels, lambda level: level.glasses))
    return next((level for some in alike if (level := _farthest(models, face.source, map(made, some), others))), None)


def _farthest(models: Parts, source: SourceFace, made: Iterable[Attempt[Level] | None], others: "_OtherViews") -> Level | None:
    """The farthest of a few new faces that pass in the first picture and in most of the others; None for none."""
    passed, further_rounds = list[Judged[Level]](), models.options.budget.farther
    for attempt in filter(None, made):
        needed = margin(passed[0].check) if passed else attempts.LEAST_IN_GLASSES if attempt.in_glasses else 1.0
        farther = (new for new in attempts.judged(models.gate, source, attempt, needed) if _is_farther(new, needed))
        passed = [*islice(farther, 1), *passed]
        if passed and (further_rounds == 0 or is_far(margin(passed[0].check))):
            if chosen := others.choose(passed):
                return chosen
            passed.clear()
        further_rounds -= bool(passed)
    return others.choose(passed)


def _is_farther(new: Judged[Level], needed: float) -> bool:
    return new.check.passed and margin(new.check) > needed


def _set_of(new: Judged[Level]) -> NDArray[np.float32]:
    """(1, D) the attribute set of one new face."""
    assert new.attempt.level.sets is not None
    return new.attempt.level.sets[new.number : new.number + 1]


class _OtherViews:
    """The pictures of a person but the first one, each measured once for all new faces that are tried.

    Args:
        models: the parts that a face is edited with.
        views: picture and face of each.
    """

    def __init__(self, models: Parts, views: Sequence[tuple[Image, Detection]]) -> None:
        self._models, self._views, self._editor = models, views, FaceEditor(models, VIDEO_SCALE)
        self._measured: list[tuple[Face, AlignedFace]] = []

    def choose(self, passed: Sequence[Judged[Level]]) -> Level | None:
        """The level of the first one, of new faces that pass in the first picture, that passes in most of all; None for none."""
        levels = (replace(new.attempt.level, n_sets=1, sets=_set_of(new)) for new in passed)
        return next((replace(level, accepted=len(self._views) > 0) for level in levels if self._pass_most(level)), None)

    def _pass_most(self, level: Level) -> bool:
        """Whether a chosen face passes in more than half of all pictures, of which it is known to pass in the first."""
        passed, n, number = 1, len(self._views) + 1, 0
        while 2 * passed <= n < 2 * (passed + len(self._views) - number):
            passed, number = passed + self._passes(level, number), number + 1
        return 2 * passed > n

    def _passes(self, level: Level, number: int) -> bool:
        """Whether a chosen face passes in a picture, with the detector's word."""
        image, detection = self._views[number]
        if number == len(self._measured):
            face = self._editor.prepare(image, Request(detection, [level]), 0, 0)
            self._measured.append((face, self._editor.align(face, image)))
        face, aligned = self._measured[number]
        candidates = stand_ins.candidates_for(self._models, face, level, np.random.default_rng())
        attempt = self._editor.new_faces(face, level, image, aligned, candidates)
        return attempts.first_passing(self._models.gate, face.source, attempt).check.passed
