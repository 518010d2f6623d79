"""What an editor is told of a face, in photos and in videos."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deid.anonymizer import face_editor
from deid.anonymizer.face_editor import FaceEditor
from deid.core.attributes import ATTRIBUTES
from deid.core.options import Options
from deid.core.temporal import FieldSmoother
from deid.core.types import AlignedFace, Glasses, Image


class _Finds:
    """Finds an object that covers everything, and no glasses."""

    def __init__(self, what: NDArray[np.float32] | None) -> None:
        self.what = what

    def find(self, *_: Any) -> NDArray[np.float32] | None:
        return self.what


class _ReadsBrows:
    """The share that the embedding's first number tells, whatever the photo shows."""

    def brows(self, seen: NDArray[np.float64], embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        return embeddings[:, 0] + 0 * seen


def _aligned(in_video: bool, photo: Image, its: AlignedFace, steady: FieldSmoother | None = None, **parts: Any) -> AlignedFace:
    points = SimpleNamespace(points=lambda _: its.points)
    dlib = SimpleNamespace(name="dlib_resnet")
    known = {"points": points, "glasses": _Finds(None), "objects": _Finds(None), "options": Options(), "portraits": None}
    known |= {"reader": SimpleNamespace(embedders=[dlib]), "bank_embedder": dlib, "portrait_reader": _ReadsBrows()}
    models: Any = SimpleNamespace(**known | parts)
    tracked = SimpleNamespace(shape=its.points, steady=steady) if in_video else None
    source = SimpleNamespace(attributes=its.attributes, embeddings=(np.full((1, 128), 0.25, np.float32),))
    request = SimpleNamespace(tracked=tracked)
    face: Any = SimpleNamespace(matrix=its.matrix, detection=its.detection, request=request, source=source, looks=None)
    return FaceEditor(models).align(face, photo)


@pytest.mark.parametrize("in_video", [False, True])
def test_objects_are_kept_in_photos_alone(in_video: bool, astronaut: Image, woman_face: AlignedFace) -> None:
    """In a video an object that is found in some frames only would flicker."""
    found = np.ones((128, 128), np.float32)
    aligned = _aligned(in_video, astronaut, woman_face, objects=_Finds(found))
    assert aligned.objects is (None if in_video else found)


@pytest.mark.parametrize("in_video", [False, True])
def test_brows_are_known_in_photos_and_videos(in_video: bool, astronaut: Image, woman_face: AlignedFace) -> None:
    """In each frame: somebody whose new face is known already would else change brows after the first one."""
    assert _aligned(in_video, astronaut, woman_face, portraits=object()).brows == pytest.approx(0.25)
    assert _aligned(in_video, astronaut, woman_face).brows is None


@pytest.mark.parametrize(("worn", "likely", "looks"), [(False, False, 3), (False, True, 9), (True, False, 9)])
def test_who_wears_no_glasses_is_seldom_looked_at_for_some(
    worn: bool, likely: bool, looks: int, astronaut: Image, woman_face: AlignedFace
) -> None:
    """Of nine keyframes of a video, in three. Glasses that are worn or likely are looked for in each: they move with the head."""
    asked = list[Image]()

    def find(large: Image, _: NDArray[np.float32]) -> Glasses | None:
        asked.append(large)
        return Glasses(*np.zeros((2, *large.shape[:2]), np.float32)) if worn else None

    attributes = np.zeros(len(ATTRIBUTES), np.float32)
    attributes[ATTRIBUTES.index("Eyeglasses")] = 0.9 if likely else 0.01
    its, steady = replace(woman_face, attributes=attributes), FieldSmoother()
    for _ in range(9):
        found = _aligned(True, astronaut, its, steady, glasses=SimpleNamespace(find=find)).glasses
        assert (found is not None) == worn
    assert len(asked) == looks


def test_glasses_are_looked_for_in_every_photo(astronaut: Image, woman_face: AlignedFace) -> None:
    asked = list[Image]()
    for _ in range(3):
        _aligned(False, astronaut, woman_face, glasses=SimpleNamespace(find=lambda large, _: asked.append(large)))
    assert len(asked) == 3


@pytest.mark.parametrize("first", [True, False])
def test_in_a_video_glasses_neither_come_nor_go(
    first: bool, astronaut: Image, woman_face: AlignedFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they are whole is decided once; a photo has no other to keep to."""
    worn = SimpleNamespace(find=lambda large, _: Glasses(*np.zeros((2, *large.shape[:2]), np.float32)))
    steady, said = FieldSmoother(), list[bool]()
    for whole in (first, not first, first):
        monkeypatch.setattr(face_editor, "are_whole", lambda *_, whole=whole: whole)
        for video in (True, False):
            said.append(_aligned(video, astronaut, woman_face, steady if video else None, glasses=worn).wears_glasses)
        steady.go_on(True)
    assert said == [first, first, first, not first, first, first]


@pytest.mark.parametrize("reach", ["face", "head"])
def test_who_must_not_be_known_by_hair_keeps_no_glasses(
    reach: str, astronaut: Image, woman_face: AlignedFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_editor, "are_whole", lambda *_: True)
    worn = SimpleNamespace(find=lambda large, _: Glasses(*np.zeros((2, *large.shape[:2]), np.float32)))
    assert _aligned(False, astronaut, woman_face, glasses=worn, options=Options(reach=reach)).wears_glasses == (reach == "face")
