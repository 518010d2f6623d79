"""A new face that passes but is near the one before is tried again, and the farthest is kept."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deid.anonymizer import fallback
from deid.anonymizer.face import Composite, Face
from deid.anonymizer.face_editor import FaceEditor
from deid.anonymizer.models import Models
from deid.anonymizer.request import Level, Request
from deid.compositing.proposal import Patch
from deid.core.options import Options
from deid.core.types import Detection, Distance, EditedFace, Image, Verification
from deid.editing.attgan import AttganEditor

THRESHOLD = 0.384
CROP: Image = np.zeros((128, 128, 3), np.uint8)


def _made(distance: float, level: Level) -> tuple[Composite, Patch]:
    reasons = () if distance > THRESHOLD else ("too near",)
    check = Verification((Distance("dlib_resnet", distance, THRESHOLD),), True, 1.0, 0.0, 0.0, 1.0, reasons)
    patch = Patch.of(np.full((4, 4, 3), round(100 * distance), np.uint8), np.ones((4, 4), bool))
    return Composite(CROP, EditedFace(CROP, "attgan"), check, level), patch


def _edited(distances: list[float], quality: str, stand_ins: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[Face, Patch, int]:
    options, left, tried = Options(quality=quality), list(distances), [0]

    def replaced(self: FaceEditor, face: Face, level: Level, photo: Image) -> tuple[Composite, Patch]:
        tried[0] += 1
        return _made(left.pop(0) if left else 0.2, level)

    def covered(self: FaceEditor, face: Face, level: Level, photo: Image) -> tuple[Composite, Patch]:
        return _made(1.0, level)

    monkeypatch.setattr(FaceEditor, "replaced", replaced)
    monkeypatch.setattr(FaceEditor, "_covered", covered)
    models: Any = SimpleNamespace(options=options, portraits=None)
    levels = fallback.levels(Models(options), AttganEditor())
    nothing: Any = None
    face = Face(Request(Detection(np.array([0.0, 0, 4, 4]))), nothing, np.eye(3)[:2], 0, levels)
    face.stand_ins = [np.zeros(1, np.float32)] if stand_ins else []
    patch = FaceEditor(models).edit(face, CROP)
    return face, patch, tried[0]


@pytest.mark.parametrize(
    ("distances", "quality", "stand_ins", "kept", "tries"),
    [
        ([0.55, 0.60], "balanced", True, 0.55, 1),
        ([0.42, 0.55, 0.60], "balanced", True, 0.55, 2),
        ([0.42, 0.44, 0.40, 0.60], "balanced", True, 0.44, 3),
        ([0.44, 0.30, 0.42, 0.60], "balanced", True, 0.44, 3),
        ([0.30, 0.30, 0.42, 0.30, 0.43], "balanced", True, 0.43, 5),
        # The last of its levels passes: no cover takes its place.
        ([0.30] * 7 + [0.42], "balanced", True, 0.42, 8),
        ([0.30] * 8, "balanced", True, 1.0, 8),
        ([0.42, 0.60], "fast", True, 0.42, 1),
        ([0.42, 0.60], "balanced", False, 0.42, 1),
    ],
)
def test_the_farthest_of_a_few_is_kept(
    distances: list[float], quality: str, stand_ins: bool, kept: float, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    face, patch, tried = _edited(distances, quality, stand_ins, monkeypatch)
    assert face.composite is not None
    assert face.composite.check.distances[0].value == kept
    assert face.composite.check.passed
    assert (patch.pixels == round(100 * kept)).all()
    assert tried == tries
