"""Of a few stand-ins the one is made whose sketch lies farthest from the face."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deid.anonymizer import candidates
from deid.anonymizer.engine import Anonymizer
from deid.core.attributes import ATTRIBUTES
from deid.core.options import Options
from deid.core.types import AlignedFace, Crops, Detection, Image, StandIn
from deid.editing.attgan import AttganEditor
from deid.editing.portraits import Portraits
from deid.editing.sampler import portraits_of, with_portraits
from deid.recognition.source_face import SourceFace
from deid.verification.ranking import FAR
from tests.anonymizer.sharing import shared_with

SOURCE = SourceFace(Detection(np.array([8.0, 8, 32, 32])), (), np.zeros(13, np.float32), 0.0)


class _Gate:
    """Says what it is told, and keeps what it sees."""

    def __init__(self, margins: list[float]) -> None:
        self._margins = margins
        self.seen: list[Crops] = []

    def margins(self, source: SourceFace, crops: Crops) -> NDArray[np.float64]:
        self.seen.append(crops)
        return np.array([self._margins[len(self.seen) - 1]])


def _rows(bank: Portraits, n: int) -> NDArray[np.float32]:
    women = np.flatnonzero(~bank.male[: bank.n_pictures] & ~bank.child[: bank.n_pictures])[:n]
    sets = np.zeros((1, len(ATTRIBUTES)), np.float32)
    return np.concatenate([with_portraits(sets, [int(i)], np.ones(1, np.float32)) for i in women])


@pytest.mark.parametrize(
    ("margins", "n", "chosen", "looks"),
    [
        ([1.10, 1.20, 1.15], 1, [1], 3),
        ([1.10, 1.40, 1.90], 1, [1], 2),
        ([1.90, 1.10, 1.15], 1, [0], 1),
        ([1.10, 1.40, 1.35], 2, [1, 2], 3),
        ([0.90, 0.80, 0.95], 2, [2, 0], 3),
    ],
)
def test_the_farthest_are_chosen_and_far_is_far_enough(
    margins: list[float], n: int, chosen: list[int], looks: int, bank: Portraits, woman_face: AlignedFace
) -> None:
    gate, rows = _Gate(margins), _rows(bank, 3)
    models: Any = SimpleNamespace(gate=gate, portraits=bank)
    assert candidates._farthest(models, SOURCE, woman_face, rows, n) == chosen
    assert len(gate.seen) == looks


def test_a_sketch_shows_another_face_in_the_photo_s_place(bank: Portraits, woman_face: AlignedFace) -> None:
    gate = _Gate([1.0, 1.0])
    models: Any = SimpleNamespace(gate=gate, portraits=bank)
    candidates._farthest(models, SOURCE, woman_face, _rows(bank, 2), 1)
    crop = woman_face.crop.astype(float)
    for seen in gate.seen:
        assert seen.shape == (1, 128, 128, 3)
        off = np.abs(seen[0] - crop).mean(axis=2)
        assert off[55:110, 45:85].mean() > 8, "the face is new"
        assert off[:, :4].max() == 0, "and what is around it is the photo's"
    assert (gate.seen[0] != gate.seen[1]).any()


def test_what_does_not_fit_is_the_last_choice(bank: Portraits, woman_face: AlignedFace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be made, refused, and another one would have to follow."""
    gate, rows, made = _Gate([1.25, 1.05]), _rows(bank, 3), candidates.stand_in

    def bent(bank: Portraits, numbers: list[int], *given: Any) -> StandIn:
        new = made(bank, numbers, *given)
        return new if numbers != portraits_of(rows[0])[0] else StandIn(new.face, new.visible, new.points, 2.0)

    monkeypatch.setattr(candidates, "stand_in", bent)
    models: Any = SimpleNamespace(gate=gate, portraits=bank)
    assert candidates._farthest(models, SOURCE, woman_face, rows, 3) == [0, 1, 2]
    assert candidates._farthest(models, SOURCE, woman_face, rows, 2) == [1, 2]
    assert len(gate.seen) == 2, "what does not fit need not be measured"


def test_a_quick_run_makes_the_first_without_a_sketch(bank: Portraits, woman_face: AlignedFace) -> None:
    models: Any = SimpleNamespace(gate=_Gate([]), portraits=bank)
    assert candidates._farthest(models, SOURCE, woman_face, _rows(bank, 1), 1) == [0]


def test_a_sketch_tells_how_far_the_new_face_will_lie(attgan_engine: Anonymizer, astronaut: Image, woman: Detection) -> None:
    """Of the same stand-ins, the new faces of those that were chosen lie farther than of those that were not."""
    editor = attgan_engine.models.editor
    assert isinstance(editor, AttganEditor)
    shared = ("detector", "second_detector", "reader", "gate", "points", "portrait_reader", "editor")
    found: dict[str, list[float]] = {}
    for quality in ("fast", "balanced"):
        for seed in range(3):
            options = Options(seed=seed, quality=quality)
            engine = Anonymizer(models=shared_with(attgan_engine.models, options, *shared))
            (face,) = engine.process(astronaut, [woman], seed=seed).faces
            assert face.method == "attgan"
            found.setdefault(quality, []).append(min(min(d.value / d.threshold for d in face.verification.distances), FAR))
    assert np.mean(found["balanced"]) >= np.mean(found["fast"])
