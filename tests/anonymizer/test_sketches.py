"""A sketch shows what a new face will look like, and tells how far it will lie."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.request import Level
from deid.anonymizer.sketches import sketch
from deid.core.attributes import ATTRIBUTES
from deid.core.options import Options
from deid.core.types import AlignedFace, Detection, EditedFace, Glasses, Image
from deid.editing.attgan import AttganEditor, FaceAttganEditor
from deid.editing.portraits import Portraits
from deid.editing.sampler import with_portraits
from deid.models.attgan import Generator
from deid.recognition.source_face import SourceFace
from deid.verification.attempts import LEAST_FIT
from tests.anonymizer.sharing import shared_with

SOURCE = SourceFace(Detection(np.array([8.0, 8, 32, 32])), (), np.zeros(13, np.float32), 0.0)


class _Gate:
    """Finds everything as far, and keeps what it sees."""

    def __init__(self) -> None:
        self.seen: list[Image] = []

    def glance(self, source: SourceFace, crop: Image) -> float:
        self.seen.append(crop)
        return 1.2


class _Own(AttganEditor):
    """A caller's, which edits in its own way."""

    def edit(self, face: AlignedFace, attributes: np.ndarray, strength: float = 1.0) -> list[EditedFace]:
        return [EditedFace(face.crop, self.name, row, strength) for row in attributes]


def _row(bank: Portraits, n: int) -> np.ndarray:
    women = np.flatnonzero(~bank.male[: bank.n_pictures] & ~bank.child[: bank.n_pictures])
    return with_portraits(np.zeros((1, len(ATTRIBUTES)), np.float32), [int(women[n])], np.ones(1, np.float32))


def test_a_sketch_shows_another_face_in_the_place_of_the_photo_s(bank: Portraits, woman_face: AlignedFace) -> None:
    gate: Any = _Gate()
    level, crop = Level(AttganEditor(bank=bank, network=Generator(2)), 1.0, True), woman_face.crop.astype(float)
    for n in (0, 1):
        made = sketch(gate, SOURCE, woman_face, level, _row(bank, n), lambda: pytest.fail("nobody wants it"))
        assert made is not None
        assert (made.margin, made.level, not made.reasons) == (1.2, level, made.fit.value >= LEAST_FIT)
        off = np.abs(gate.seen[-1] - crop).mean(axis=2)
        assert off[55:110, 45:85].mean() > 8, "the face is new"
        assert off[:, :4].max() == 0, "and what is around it is the photo's"
    assert (gate.seen[0] != gate.seen[1]).any()


def test_several_faces_and_other_editors_are_not_sketched(bank: Portraits, woman_face: AlignedFace) -> None:
    gate: Any = _Gate()
    assert woman_face.large is not None
    row = _row(bank, 0)
    level = Level(AttganEditor(bank=bank, network=Generator(2)), 1.0, True)
    plain = replace(level, editor=FaceAttganEditor(network=Generator(2)))
    own = replace(level, editor=_Own(bank=bank, network=Generator(2)))
    for of, sets, drawn in (
        (level, row, True),
        (level, row.repeat(2, axis=0), False),
        (plain, row, False),
        (own, row, False),
    ):
        assert (sketch(gate, SOURCE, woman_face, of, sets, lambda: pytest.fail("nobody wants it")) is not None) == drawn


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_sketch_wears_whole_glasses_alone(whole: bool, wanted: bool, bank: Portraits, woman_face: AlignedFace) -> None:
    assert woman_face.large is not None
    gate: Any = _Gate()
    frame, nothing = np.zeros((2, *woman_face.large.shape[:2]), np.float32)
    k = len(frame) // 128
    frame[56 * k : 60 * k, 40 * k : 88 * k] = 1
    large = np.where(frame[..., None] > 0, (255, 0, 0), woman_face.large).astype(np.uint8)
    face = replace(woman_face, large=large, glasses=Glasses(frame, nothing, whole))
    level = Level(AttganEditor(bank=bank, network=Generator(2)), 1.0, True, glasses=wanted)
    made = sketch(gate, SOURCE, face, level, _row(bank, 0), lambda: pytest.fail("nobody wants it"))
    assert made is not None
    assert made.in_glasses == (whole and wanted)
    red = gate.seen[0][57:59, 45:83].astype(int) - (255, 0, 0)
    assert (np.abs(red).max() < 12) == (whole and wanted)


def test_of_a_real_face_fewer_are_made_than_are_sketched(
    attgan_engine: Anonymizer, astronaut: Image, woman: Detection, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"sketch": 0, "edit": 0}
    for name in counts:
        work = getattr(AttganEditor, name)

        def counted(self: AttganEditor, *given: Any, work: Any = work, name: str = name) -> Any:
            counts[name] += 1
            return work(self, *given)

        monkeypatch.setattr(AttganEditor, name, counted)
    shared = ("detector", "second_detector", "reader", "gate", "points", "portrait_reader", "editor")
    engine = Anonymizer(models=shared_with(attgan_engine.models, Options(quality="balanced"), *shared))
    for seed in range(4):
        (face,) = engine.process(astronaut, [woman], seed=seed).faces
        assert face.verification.passed
    assert 4 <= counts["edit"] < counts["sketch"]
