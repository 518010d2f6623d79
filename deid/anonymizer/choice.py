"""Choice of one new face for a person in several pictures."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deid.anonymizer import fallback, stand_ins
from deid.anonymizer.face_editor import VIDEO_SCALE, FaceEditor
from deid.anonymizer.parts import Parts
from deid.anonymizer.request import Level, Request
from deid.anonymizer.treatment import why_cover
from deid.core.types import Detection, Image
from deid.editing.sampler import portraits_of
from deid.verification import attempts


def choose(models: Parts, views: Sequence[tuple[Image, Detection]], seed: int, taken: Sequence[Level] = ()) -> Level | None:
    """Draw a new face for one person that the gate lets pass in several pictures; see `Anonymizer.choose`."""
    editor = FaceEditor(models, VIDEO_SCALE)
    views = [(image, d) for image, d in views if not why_cover(image, d, models.options, models.gate.detector)]
    if not views:
        return None
    photo, detection = views[0]
    face = editor.prepare(photo, Request(detection), seed, 0)
    others = {i for level in taken if level.sets is not None for i in portraits_of(level.sets[0])[0]}
    stand_ins.reserve(models, photo, [face], [face], others)
    if stand_ins.LANDMARKS_APART in face.why:
        return choose(models, views[1:], seed, taken)
    aligned = editor.align(face, photo)
    for level in fallback.new_faces(models.options, models.editor):
        candidates = stand_ins.candidates_for(models, face, level, np.random.default_rng([face.seed, level.round]))
        if not len(candidates.sets):
            continue
        attempt = editor.new_faces(face, replace(level, sets=candidates.sets), photo, aligned, candidates)
        for new in attempts.judged(models.gate, face.source, attempt):
            chosen = replace(level, n_sets=1, sets=candidates.sets[new.number : new.number + 1])
            if new.check.passed and _passes_in_most(models, chosen, views):
                return replace(chosen, accepted=len(views) > 1)
    return None


def _passes_in_most(models: Parts, level: Level, views: Sequence[tuple[Image, Detection]]) -> bool:
    """Whether a chosen face passes in more than half of several pictures, of which it is known to pass in the first."""
    passed, left = 1, list(views[1:])
    while 2 * passed <= len(views) < 2 * (passed + len(left)):
        passed += _passes(models, level, *left.pop(0))
    return 2 * passed > len(views)


def _passes(models: Parts, level: Level, image: Image, detection: Detection) -> bool:
    """Whether a chosen face passes in a picture, with the detector's word."""
    editor = FaceEditor(models, VIDEO_SCALE)
    face = editor.prepare(image, Request(detection, [level]), 0, 0)
    candidates = stand_ins.candidates_for(models, face, level, np.random.default_rng())
    return attempts.first_passing(
        models.gate, face.source, editor.new_faces(face, level, image, editor.align(face, image), candidates)
    ).check.passed
