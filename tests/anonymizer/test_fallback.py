"""New faces on their way into the photo, and the ways to them."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from deid.anonymizer import fallback
from deid.anonymizer.models import Models
from deid.anonymizer.request import Level
from deid.compositing import blend
from deid.compositing.fitting import fit_to_photo
from deid.compositing.proposal import Proposal
from deid.core.options import METHODS, QUALITIES, Options
from deid.core.types import AlignedFace, Detection, EditedFace, StandIn
from deid.editing.attgan import AttganEditor, FaceAttganEditor
from deid.editing.filters import FilterEditor
from deid.editing.sampler import SET_SIZE
from deid.imaging.template import TEMPLATE
from deid.models.attgan import Generator

ORANGE = (220, 130, 60)


class _Orange:
    """Proposes one orange face: a small crop, or a stand-in."""

    name = "orange"

    def __init__(self, stand_in: bool) -> None:
        self._stand_in = stand_in

    def edit(self, face: AlignedFace, attributes: NDArray[np.float32], strength: float = 1.0) -> Sequence[EditedFace]:
        crop = np.full_like(face.crop, ORANGE)
        crop[60:70, 50:80] //= 2
        if not self._stand_in:
            return [EditedFace(crop, self.name)]
        assert face.points is not None
        assert face.large is not None
        n = face.large.shape[0]
        large = np.broadcast_to(np.array(ORANGE, np.float32), (n, n, 3)).copy()
        return [EditedFace(crop, self.name, stand_in=StandIn(large, np.ones((128, 128), np.float32), face.points))]


@pytest.fixture
def skin_face(officer_face: AlignedFace) -> AlignedFace:
    """Noise of one colour with the landmarks of a face, at twice the size."""
    rng = np.random.default_rng(0)
    crop, large = (np.clip(rng.normal((90, 110, 140), 12, (n, n, 3)), 0, 255).astype(np.uint8) for n in (128, 256))
    return AlignedFace(crop, np.eye(2, 3), Detection(np.array([28.0, 18.0, 100.0, 112.0]), landmarks=TEMPLATE), officer_face.points, large)


def test_colours_of_a_small_crop_are_the_photos(skin_face: AlignedFace) -> None:
    (proposal,) = fit_to_photo(_Orange(False).edit(skin_face, np.zeros((1, SET_SIZE), np.float32)), skin_face)
    mask = proposal.mask
    np.testing.assert_array_equal(mask, blend.face_mask(skin_face.points, crop=skin_face.crop))
    assert np.abs(proposal.crop[mask > 0.9].mean(axis=0) - skin_face.crop.mean(axis=(0, 1))).max() < 60
    assert proposal.fit.value == 1.0
    np.testing.assert_array_equal(proposal.blended, blend.blend_crop(proposal.crop, skin_face.crop, mask))


def test_stand_in_is_pasted_at_the_photos_scale_in_its_colours(skin_face: AlignedFace) -> None:
    (proposal,) = fit_to_photo(_Orange(True).edit(skin_face, np.zeros((1, SET_SIZE), np.float32)), skin_face)
    assert skin_face.large is not None
    assert proposal.crop.shape == (256, 256, 3)
    assert proposal.mask.shape == (256, 256)
    assert proposal.blended.shape == (128, 128, 3)
    middle = proposal.crop[proposal.mask > 0.9].mean(axis=0)
    assert np.abs(middle - skin_face.large.mean(axis=(0, 1))).max() < 10
    assert 0.5 < proposal.fit.value <= 1.0
    whole = blend.blend_crop(proposal.crop, skin_face.large, proposal.mask).astype(float)
    np.testing.assert_allclose(proposal.blended, whole.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3)), atol=1)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (20.0, 12.0)])
def test_stand_in_lands_where_the_crop_came_from(skin_face: AlignedFace, shift: tuple[float, float]) -> None:
    """A crop at twice the scale and its small copy are pasted to the same place."""
    mask = blend.face_mask(skin_face.points)
    edited = EditedFace(np.full((128, 128, 3), 250, np.uint8), "white")
    large_mask = np.kron(mask, np.ones((2, 2), np.float32))
    small = Proposal(edited, edited.crop, mask, edited.crop)
    large = Proposal(edited, np.full((256, 256, 3), 250, np.uint8), large_mask, np.zeros((256, 256, 3), np.uint8))
    matrix = np.array([[1.0, 0, -shift[0]], [0, 1.0, -shift[1]]])
    photo = np.full((200, 220, 3), 90, np.uint8)
    (one, where), (two, also) = small.paste(photo, matrix), large.paste(photo, matrix)
    assert np.abs(one.astype(int) - two).max() <= 12
    assert np.abs(one.astype(int) - two).mean() < 0.3
    assert (where ^ also).mean() < 0.03


@pytest.mark.parametrize("method", METHODS)
def test_every_fallback_ends_in_a_solid_cover(method: str) -> None:
    options, picture = Options(method=method, cover_image="x.png"), np.zeros((4, 4, 3), np.uint8)
    models = Models(options, filter=lambda name: FilterEditor(name, options, picture))
    ways = list(fallback.levels(models, AttganEditor(network=Generator(2))))
    assert ways[-1].editor.name == "solid"
    assert [way.last for way in ways] == [False] * (len(ways) - 1) + [True]
    # Who asks for one colour gets its border too.
    assert ways[-1].fades == (method != "solid")
    pasting = [way.pastes_face for way in ways]
    # Once a face is covered, it stays covered.
    assert pasting == sorted(pasting, reverse=True)
    assert any(pasting) == (method == "attgan")


@pytest.mark.parametrize("quality", QUALITIES)
def test_last_tries_are_painted_over_objects(quality: str) -> None:
    """No face is covered for what stands before it."""
    options = Options(quality=quality)
    kept = [way.objects for way in fallback.new_faces(options, AttganEditor(network=Generator(2)))]
    assert kept[0]
    assert not kept[-1]
    assert kept == sorted(kept, reverse=True)


@pytest.mark.parametrize("quality", QUALITIES)
def test_each_round_has_stand_ins_of_its_own(quality: str) -> None:
    options = Options(quality=quality)
    ways = list(fallback.new_faces(options, AttganEditor(network=Generator(2))))
    assert [way.round for way in ways] == list(range(options.budget.rounds + 1))
    assert {way.n_sets for way in ways} == {options.budget.generated}
    assert [way.strength for way in ways] == [*[fallback.STRENGTHS[0]] * options.budget.rounds, fallback.STRENGTHS[1]]
    assert list(fallback.STRENGTHS) == sorted(fallback.STRENGTHS)


def test_without_a_stand_in_the_generator_sees_less_and_less_of_a_face() -> None:
    editor = FaceAttganEditor(network=Generator(2))
    options = Options(stand_in="none")
    ways = list(fallback.new_faces(options, editor))
    cells = [way.editor.cells for way in ways]  # type: ignore[attr-defined]
    assert cells == [*[options.input_cells] * (options.budget.rounds + 1), 22, 16]
    assert editor.cells is None


def test_kept_face_is_tried_first_and_then_covered() -> None:
    editor = AttganEditor(network=Generator(2))
    chosen = Level(editor, 1.0, True, sets=np.zeros((1, SET_SIZE), np.float32))
    ways = list(fallback.levels_after(chosen, Models(Options()), editor))
    assert ways[0] is chosen
    assert not any(way.pastes_face for way in ways[1:])
    assert ways[-1].last


@pytest.mark.parametrize("glasses", [True, False])
def test_a_new_face_keeps_its_glasses_or_none_at_every_level(glasses: bool) -> None:
    """In a video they would come and go with what the gate says."""
    editor = FaceAttganEditor(network=Generator(2))
    chosen = Level(editor, 1.0, True, sets=np.zeros((1, SET_SIZE), np.float32), glasses=glasses)
    pasted = [level for level in fallback.levels_after(chosen, Models(Options()), editor) if level.pastes_face]
    assert len(pasted) > 1
    assert {level.glasses for level in pasted} == {glasses}


def test_who_wears_glasses_gets_each_try_in_them_first() -> None:
    editor, models = AttganEditor(network=Generator(2)), Models(Options())
    bare, worn = list(fallback.levels(models, editor)), list(fallback.glasses_first(fallback.levels(models, editor)))
    drawn = [level for level in bare if level.draws]
    assert not any(level.glasses for level in bare)
    assert [level.glasses for level in worn] == [True] * len(drawn) + [False] * len(bare)
    assert [level.round for level in worn[: len(drawn)]] == [level.round for level in drawn]
    assert worn[len(drawn)].round == 0
    chosen = Level(editor, 1.0, True, sets=np.zeros((1, SET_SIZE), np.float32))
    assert list(fallback.glasses_first([chosen])) == [chosen]
