"""Every editor, and broken ones, through the same checks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from deid.core.options import Options
from deid.core.protocols import Editor
from deid.core.types import AlignedFace, Detection, EditedFace, Image
from deid.editing.attgan import AttganEditor, FaceAttganEditor
from deid.editing.filters import FILTERS, FilterEditor
from deid.editing.portraits import Portraits
from deid.editing.sampler import sample_sets, with_portraits
from deid.imaging.alignment import align
from deid.recognition.dlib_resnet import DlibResNetEmbedder


@dataclass(frozen=True)
class Sitting:
    """A face, attribute sets for it, and a recogniser."""

    face: AlignedFace
    sets: np.ndarray
    embedder: DlibResNetEmbedder


def proposes_crops(editor: Editor, sitting: Sitting) -> None:
    assert isinstance(editor, Editor)
    assert isinstance(editor.name, str)
    assert editor.name
    proposals = editor.edit(sitting.face, sitting.sets, 1.0)
    assert isinstance(proposals, list)
    assert len(proposals) in {1, len(sitting.sets)}
    for p in proposals:
        assert isinstance(p, EditedFace)
        assert p.crop.shape == sitting.face.crop.shape
        assert p.crop.dtype == np.uint8
        assert p.method.startswith(editor.name)
        assert p.strength == 1.0


def changes_the_face(editor: Editor, sitting: Sitting) -> None:
    """The middle of the face, not its frame alone; and a recogniser sees it."""
    before = sitting.embedder.embed(sitting.face.crop[None])
    for p in editor.edit(sitting.face, sitting.sets, 1.0):
        middle = np.abs(p.crop.astype(int) - sitting.face.crop)[40:100, 40:90]
        assert (middle.max(axis=2) > 0).mean() > 0.9
        assert np.linalg.norm(sitting.embedder.embed(p.crop[None]) - before) > 0.05


def leaves_its_input_alone(editor: Editor, sitting: Sitting) -> None:
    crop, sets = sitting.face.crop.copy(), sitting.sets.copy()
    proposals = editor.edit(sitting.face, sitting.sets, 1.0)
    np.testing.assert_array_equal(sitting.face.crop, crop)
    np.testing.assert_array_equal(sitting.sets, sets)
    for p in proposals:
        assert not np.shares_memory(p.crop, sitting.face.crop)


def proposes_the_same_twice(editor: Editor, sitting: Sitting) -> None:
    first, second = (editor.edit(sitting.face, sitting.sets, 1.0) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.crop, b.crop)


CHECKS: list[Callable[[Editor, Sitting], None]] = [proposes_crops, changes_the_face, leaves_its_input_alone, proposes_the_same_twice]


@pytest.fixture
def sitting(hopper: Image, officer: Detection, embedder: DlibResNetEmbedder) -> Sitting:
    sets = with_portraits(sample_sets(True, 3, np.random.default_rng(0)), [3, 40], np.array([0.6, 0.4], np.float32))
    return Sitting(align(hopper, officer), sets, embedder)


@pytest.fixture(scope="module")
def editors(bank: Portraits) -> dict[str, Editor]:
    picture = np.full((20, 20, 3), (20, 90, 160), np.uint8)
    on_face = FaceAttganEditor()
    built: dict[str, Editor] = {name: FilterEditor(name, Options(), picture) for name in FILTERS}
    return built | {"attgan": AttganEditor(bank=bank), "attgan_on_face": on_face, "attgan_22": on_face.coarse(22)}


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", [*sorted(FILTERS), "attgan", "attgan_on_face", "attgan_22"])
def test_editor_keeps_the_contract(
    name: str, check: Callable[[Editor, Sitting], None], editors: dict[str, Editor], sitting: Sitting
) -> None:
    check(editors[name], sitting)


@dataclass
class Broken:
    """An editor made of a function."""

    change: Callable[[AlignedFace], object]
    name: str = "broken"

    def edit(self, face: AlignedFace, attributes: np.ndarray, strength: float) -> list[EditedFace]:
        return self.change(face)  # type: ignore[return-value]


def _one(crop: Image, method: str = "broken") -> list[EditedFace]:
    return [EditedFace(crop, method)]


def _paint(face: AlignedFace) -> list[EditedFace]:
    face.crop[:] = 255 - face.crop
    return _one(face.crop.copy())


def _frame_only(face: AlignedFace) -> list[EditedFace]:
    crop = face.crop.copy()
    crop[:20] = 0
    return _one(crop)


def _random(face: AlignedFace) -> list[EditedFace]:
    return _one(np.random.default_rng().integers(0, 256, face.crop.shape, dtype=np.uint8))


BROKEN: dict[str, tuple[Callable[[AlignedFace], object], Callable[[Editor, Sitting], None]]] = {
    "no-op": (lambda face: _one(face.crop.copy()), changes_the_face),
    "edits the frame only": (_frame_only, changes_the_face),
    "proposes nothing": (lambda face: [], proposes_crops),
    "none": (lambda face: None, proposes_crops),
    "a bare crop": (lambda face: [face.crop], proposes_crops),
    "another size": (lambda face: _one(face.crop[:64]), proposes_crops),
    "another type": (lambda face: _one(face.crop / 255), proposes_crops),
    "another's name": (lambda face: _one(255 - face.crop, "blur"), proposes_crops),
    "paints its input": (_paint, leaves_its_input_alone),
    "gives its input back": (lambda face: _one(face.crop), leaves_its_input_alone),
    "draws by itself": (_random, proposes_the_same_twice),
}


@pytest.mark.parametrize(("change", "check"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_editor_is_caught(
    change: Callable[[AlignedFace], object], check: Callable[[Editor, Sitting], None], sitting: Sitting
) -> None:
    with pytest.raises(AssertionError):
        check(Broken(change), sitting)
