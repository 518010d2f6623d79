"""What stands before a face is looked for in photos alone."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deid.anonymizer.face_editor import FaceEditor
from deid.core.types import AlignedFace, Image


class _Finds:
    """Finds an object that covers everything, and no glasses."""

    def __init__(self, what: NDArray[np.float32] | None) -> None:
        self.what = what

    def find(self, *_: Any) -> NDArray[np.float32] | None:
        return self.what


@pytest.mark.parametrize("in_video", [False, True])
def test_objects_are_kept_in_photos_alone(in_video: bool, astronaut: Image, woman_face: AlignedFace) -> None:
    """In a video an object that is found in some frames only would flicker."""
    points = SimpleNamespace(points=lambda _: woman_face.points)
    found = np.ones((128, 128), np.float32)
    models: Any = SimpleNamespace(points=points, glasses=_Finds(None), objects=_Finds(found), options=None)
    tracked = SimpleNamespace(shape=woman_face.points, steady=None) if in_video else None
    source = SimpleNamespace(attributes=woman_face.attributes)
    face: Any = SimpleNamespace(
        matrix=woman_face.matrix, detection=woman_face.detection, request=SimpleNamespace(tracked=tracked), source=source
    )
    aligned = FaceEditor(models).align(face, astronaut)
    assert aligned.objects is (None if in_video else found)
