"""The result of a face, for users."""

from deid.anonymizer.face import Face
from deid.anonymizer.parts import Parts
from deid.core.errors import EditError
from deid.core.types import FaceResult
from deid.editing.sampler import named, portraits_of


def result_of(face: Face, models: Parts) -> FaceResult:
    """The result for a face.

    Raises:
        EditError: nothing that the gate lets pass.
    """
    made, method = face.composite, models.options.method
    if made is None or not made.check.passed:
        raise EditError("a face came through without an edit that passed")
    asked = made.level.pastes_face if method == "attgan" else made.level.editor.name == method
    asked = asked or face.detection.label != "face"
    row = made.edited.attributes
    return FaceResult(
        detection=face.detection,
        method=made.edited.method,
        status="passed" if asked else "fallback",
        verification=made.check,
        attributes={} if row is None else named(row),
        strength=made.edited.strength,
        seed=face.seed,
        why=tuple(face.why),
        portraits=() if row is None or models.portraits is None else tuple(portraits_of(row)[0]),
        row=row,
        glasses=made.level.glasses,
        objects=made.level.objects,
    )
