"""Choice of one new face for a person in several pictures."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deid.anonymizer import fallback, stand_ins
from deid.anonymizer.face_editor import VIDEO_SCALE, FaceEditor
from deid.anonymizer.parts import Parts
from deid.anonymizer.request import Level, Request
from deid.core.types import Detection, Image
from deid.editing.sampler import portraits_of
from deid.verification.ranking import promising


def choose(models: Parts, views: Sequence[tuple[Image, Detection]], seed: int, taken: Sequence[Level] = ()) -> Level | None:
    """Draw a new face for one person that the gate lets pass in several pictures; see `Anonymizer.choose`."""
    editor = FaceEditor(models, VIDEO_SCALE)
    views = [(image, d) for image, d in views if not editor.why_cover(image, d)]
    if not views:
        return None
    photo, detection = views[0]
    face = editor.prepare(photo, Request(detection), seed, 0)
    others = {i for level in taken if level.sets is not None for i in portraits_of(level.sets[0])[0]}
    stand_ins.reserve(models, [face], [face], others)
    for level in fallback.levels(models, models.editor):
        if not level.pastes_face:
            break
        sets, expected = stand_ins.rows_for(models, level, face, np.random.default_rng([face.seed, level.round]))
        if not len(sets):
            continue
        aligned, proposals = editor.propose(face, level, photo, sets)
        for i in promising(models.gate, face.source, proposals, expected):
            chosen = replace(level, n_sets=1, sets=sets[i : i + 1])
            if editor.composite(face, chosen, photo, aligned, proposals[i])[0].check.passed and _passes_in_most(editor, chosen, views):
                return replace(chosen, accepted=len(views) > 1)
    return None


def _passes_in_most(editor: FaceEditor, level: Level, views: Sequence[tuple[Image, Detection]]) -> bool:
    """Whether a chosen face passes in more than half of several pictures, of which it is known to pass in the first."""
    passed, left = 1, list(views[1:])
    while 2 * passed <= len(views) < 2 * (passed + len(left)):
        passed += _passes(editor, level, *left.pop(0))
    return 2 * passed > len(views)


def _passes(editor: FaceEditor, level: Level, image: Image, detection: Detection) -> bool:
    """Whether a chosen face passes in a picture, with the detector's word."""
    face = editor.prepare(image, Request(detection, [level]), 0, 0)
    return editor.replaced(face, level, image)[0].check.passed
