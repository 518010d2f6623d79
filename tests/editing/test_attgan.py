"""The two passes over stand-ins and over faces, on a small generator that needs no training."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import EditError, WeightsError
from deid.core.types import AlignedFace, Detection, Image
from deid.editing.attgan import AttganEditor, FaceAttganEditor, coarsen
from deid.editing.portraits import Portraits
from deid.editing.sampler import SET_SIZE, portraits_of, sample_sets, with_portraits, without_portraits
from deid.editing.stand_in import stand_in
from deid.models.attgan import Discriminator, Generator

IDENTITY = np.array([[1.0, 0, 0], [0, 1.0, 0]])
SHARES = np.array([0.6, 0.4], np.float32)


@pytest.fixture(scope="module")
def network() -> Generator:
    torch.manual_seed(0)
    generator = Generator(4).eval().requires_grad_(False)
    # Far from its start, so that the attributes count.
    for parameter in generator.parameters():
        parameter.mul_(1.5)
    return generator


@pytest.fixture
def face() -> AlignedFace:
    crop = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    return AlignedFace(crop, IDENTITY, Detection(np.array([20.0, 20, 100, 110])))


def _to_tensor(crop: Image) -> torch.Tensor:
    return torch.from_numpy(crop.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def _sets(n: int) -> np.ndarray:
    return sample_sets(True, n, np.random.default_rng(1))


def _rows(n: int, numbers: tuple[int, int] = (3, 40)) -> np.ndarray:
    return with_portraits(_sets(n), numbers, SHARES)


def _whole(edited: Any) -> np.ndarray:
    assert edited.stand_in is not None
    return np.asarray(edited.stand_in.face)


@torch.inference_mode()
def test_second_pass_inverts_the_attributes(network: Generator, face: AlignedFace) -> None:
    """On the face itself: the batched passes with one encoding are what two plain calls give."""
    rows = without_portraits(_sets(5))
    proposals = FaceAttganEditor(network=network).edit(face, rows)
    for proposal, row in zip(proposals, rows, strict=True):
        set_ = torch.from_numpy(row[:13])[None]
        plain = network(network(_to_tensor(face.crop), set_), -set_)[0].permute(1, 2, 0).numpy()
        assert np.abs(proposal.crop - (plain.clip(-1, 1) + 1) * 127.5).max() <= 1
        assert proposal.stand_in is None
        np.testing.assert_array_equal(proposal.attributes, row)


def test_set_of_zeros_leaves_the_stand_in_as_it_is(network: Generator, bank: Portraits, officer_face: AlignedFace) -> None:
    """What the network loses of any face cancels out."""
    row = with_portraits(np.zeros((1, 13), np.float32), [3, 40], SHARES)
    (edited,) = AttganEditor(bank=bank, network=network).edit(officer_face, row)
    assert officer_face.large is not None
    assert officer_face.points is not None
    plain = stand_in(bank, [3, 40], SHARES.tolist(), officer_face.crop, officer_face.large, officer_face.points)
    np.testing.assert_allclose(_whole(edited), plain.face, atol=1e-3)


def _blob(height: float, sigma: float) -> np.ndarray:
    y, x = np.mgrid[:128, :128]
    return height * np.exp(-((y - 70.0) ** 2 + (x - 64.0) ** 2) / (2 * sigma**2))[..., None] * np.ones(3)


# Name: (what the passes change, the least and the most that is left of it, in grey levels).
CHANGES: dict[str, tuple[np.ndarray, float, float]] = {
    "fine noise, which is blotches once enlarged": (np.random.default_rng(0).choice([-20.0, 20.0], (128, 128, 3)), 0.0, 15.0),
    "all brighter, which is light": (np.full((128, 128, 3), 60.0), 0.0, 0.5),
    "a soft slope, which is light": (np.linspace(-50, 50, 128)[:, None, None] * np.ones((1, 128, 3)), 0.0, 6.0),
    "a mark": (_blob(15, 4), 8.0, 15.0),
    "a mark too strong": (_blob(200, 4), 20.0, 22.0),
    "a colour too strong": (_blob(200, 4) * (1, -0.5, -0.5), 2.0, 10.0),
}


@pytest.mark.parametrize(("change", "least", "most"), CHANGES.values(), ids=CHANGES.keys())
def test_only_a_band_of_the_change_is_added(
    change: np.ndarray, least: float, most: float, bank: Portraits, officer_face: AlignedFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = with_portraits(np.zeros((1, 13), np.float32), [3, 40], SHARES)
    editor = AttganEditor(bank=bank, network=Generator(2))
    (empty,) = editor.edit(officer_face, row)
    monkeypatch.setattr(editor, "changes", lambda crops, sets: change[None].astype(np.float32))
    (edited,) = editor.edit(officer_face, row)
    added = np.abs(_whole(edited) - _whole(empty))[60:330, 60:330]
    assert least <= added.max() <= most


def test_change_is_that_of_both_passes_against_an_empty_set(network: Generator, face: AlignedFace) -> None:
    editor, sets = AttganEditor(network=network), _sets(2)
    crops = np.stack([face.crop, face.crop[:, ::-1]])
    changes = editor.changes(crops, sets)
    on_face = FaceAttganEditor(network=network)
    for crop, change, set_ in zip(crops, changes, sets, strict=True):
        rows = without_portraits(np.stack([set_, np.zeros_like(set_)]))
        one, none = (p.crop.astype(int) for p in on_face.edit(replace(face, crop=np.ascontiguousarray(crop)), rows))
        # Batched otherwise, a pixel may round to its neighbour.
        assert np.abs(change - (one - none)).max() <= 2
    assert not editor.changes(crops, np.zeros_like(sets)).any()


def test_each_row_has_its_own_stand_in(network: Generator, bank: Portraits, officer_face: AlignedFace) -> None:
    rows = np.concatenate([_rows(1, (3, 40)), _rows(1, (5, 41))])
    rows[1, :13] = rows[0, :13]
    one, two = AttganEditor(bank=bank, network=network).edit(officer_face, rows)
    assert np.abs(_whole(one) - _whole(two)).mean() > 2
    assert [portraits_of(p.attributes)[0] for p in (one, two) if p.attributes is not None] == [[3, 40], [5, 41]]


def test_stand_ins_have_the_photos_scale_and_a_small_copy(network: Generator, bank: Portraits, officer_face: AlignedFace) -> None:
    editor = AttganEditor(bank=bank, network=network)
    for proposal in editor.edit(officer_face, _rows(2)):
        assert officer_face.large is not None
        assert _whole(proposal).shape == officer_face.large.shape
        assert _whole(proposal).min() >= 0
        assert _whole(proposal).max() <= 255
        small = cv2.resize(_whole(proposal), (128, 128), interpolation=cv2.INTER_AREA)
        assert np.abs(small - proposal.crop).max() <= 0.51
    # Who knows only the small crop gets a small stand-in.
    assert _whole(editor.edit(replace(officer_face, large=None), _rows(1))[0]).shape == (128, 128, 3)


def test_other_sets_give_other_faces(network: Generator, bank: Portraits, officer_face: AlignedFace) -> None:
    proposals = AttganEditor(bank=bank, network=network).edit(officer_face, _rows(4))
    assert [p.method for p in proposals] == ["attgan"] * 4
    assert len({p.crop.tobytes() for p in proposals}) == 4


def test_order_of_the_batch_does_not_matter(network: Generator, bank: Portraits, officer_face: AlignedFace) -> None:
    editor, rows = AttganEditor(bank=bank, network=network), _rows(3)
    forward, backward = editor.edit(officer_face, rows), editor.edit(officer_face, rows[::-1].copy())
    for a, b in zip(forward, backward[::-1], strict=True):
        assert np.abs(a.crop.astype(int) - b.crop).max() <= 2


def test_dark_faces_are_edited_as_if_they_were_lit(network: Generator, face: AlignedFace) -> None:
    """Of two exposures of one night, one gives what the other gives, and as dark as it is."""
    editor, rows = FaceAttganEditor(network=network), without_portraits(_sets(2))
    smooth = cv2.GaussianBlur(face.crop, (0, 0), 6)
    dark, darker = (replace(face, crop=(smooth * share).round().astype(np.uint8)) for share in (0.4, 0.2))
    for a, b in zip(editor.edit(dark, rows), editor.edit(darker, rows), strict=True):
        assert np.abs(a.crop / 2 - b.crop.astype(float)).mean() < 2.0
        assert b.crop.max() < 100


def test_coarse_editor_sees_no_more_than_a_mosaic(network: Generator, face: AlignedFace) -> None:
    """Two crops that differ inside the cells alone lead to the same faces."""
    plain, rows = FaceAttganEditor(network=network), without_portraits(_sets(2))
    cells = face.crop.reshape(16, 8, 16, 8, 3)
    shuffled = AlignedFace(np.ascontiguousarray(cells[:, ::-1, :, ::-1]).reshape(128, 128, 3), IDENTITY, face.detection)
    assert not np.array_equal(shuffled.crop, face.crop)
    coarse = plain.coarse(16)
    for a, b in zip(coarse.edit(face, rows), coarse.edit(shuffled, rows), strict=True):
        assert np.abs(a.crop.astype(int) - b.crop).max() <= 1
        assert a.method == "attgan_16"
    fine = zip(plain.edit(face, rows), plain.edit(shuffled, rows), strict=True)
    assert any(np.abs(a.crop.astype(int) - b.crop).max() > 1 for a, b in fine)


@pytest.mark.parametrize("cells", [1, 16, 29, 128])
def test_coarsen_keeps_the_mean_and_loses_detail(cells: int) -> None:
    crops = np.random.default_rng(0).random((2, 128, 128, 3), np.float32)
    coarse = coarsen(crops, cells)
    assert coarse.shape == crops.shape
    np.testing.assert_allclose(coarse.mean(axis=(1, 2)), crops.mean(axis=(1, 2)), atol=0.01)
    np.testing.assert_allclose(coarsen(crops, 128), crops, atol=1e-6)
    assert cells == 128 or coarse.std() < 0.5 * crops.std()


@pytest.mark.parametrize("cells", [16, 29])
def test_coarsen_averages_as_torch_does(cells: int) -> None:
    crops = np.random.default_rng(0).random((2, 128, 128, 3), np.float32)
    small = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(crops).permute(0, 3, 1, 2), cells)
    expected = torch.nn.functional.interpolate(small, size=(128, 128), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(coarsen(crops, cells), expected.permute(0, 2, 3, 1), atol=1e-5)


def test_wrong_shapes_are_refused(network: Generator, face: AlignedFace) -> None:
    editor = AttganEditor(network=network)
    small = AlignedFace(face.crop[:64], IDENTITY, face.detection)
    with pytest.raises(EditError, match="expected a crop of 128 x 128 x 3"):
        editor.edit(small, _rows(1))
    for sets in (np.zeros(SET_SIZE), np.zeros((2, 13)), np.zeros((1, 2, SET_SIZE))):
        with pytest.raises(EditError, match=rf"expected attribute sets \(N, {SET_SIZE}\)"):
            editor.edit(face, sets)


def test_portraits_are_read_only_where_they_are_needed(network: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: object = None) -> None:
        raise WeightsError("no portraits")

    monkeypatch.setattr("deid.weights.read_bank", gone)
    FaceAttganEditor(network=network).preload()
    with pytest.raises(WeightsError, match="no portraits"):
        AttganEditor(network=network).preload()


@pytest.mark.parametrize("width", [2, 8])
def test_networks_have_the_published_shape(width: int) -> None:
    generator, critic = Generator(width), Discriminator(width)
    shortcut, code = generator.encode(torch.zeros(2, 3, 128, 128))
    assert shortcut.shape == (2, 8 * width, 8, 8)
    assert code.shape == (2, 16 * width, 4, 4)
    assert generator(torch.zeros(2, 3, 128, 128), torch.zeros(2, 13)).shape == (2, 3, 128, 128)
    real, patch = critic(torch.zeros(2, 3, 128, 128))
    assert (real.shape, patch.shape) == ((2, 1), (2, 1, 16, 16))


def test_attributes_are_the_published_13_in_order() -> None:
    assert len(ATTRIBUTES) == 13
    assert list(ATTRIBUTES) == sorted(ATTRIBUTES)
    assert ATTRIBUTES[7] == "Male"


def test_what_was_sketched_becomes_the_same_face(network: Generator, bank: Portraits, officer_face: AlignedFace) -> None:
    """The work of a sketch is not done again, and not mixed up with that of another one or of another face."""
    rows = [with_portraits(np.zeros((1, 13), np.float32), numbers, SHARES) for numbers in ([3, 40], [40, 3])]
    other = replace(officer_face, crop=np.ascontiguousarray(officer_face.crop[:, ::-1]))
    plain = [AttganEditor(bank=bank, network=network).edit(face, row)[0] for face in (officer_face, other) for row in rows]
    editor = AttganEditor(bank=bank, network=network)
    small = [editor.sketch(face, row[0]) for face in (officer_face, other) for row in rows]
    again = [editor.edit(face, row)[0] for face in (officer_face, other) for row in rows]
    for sketched, one, same in zip(small, again, plain, strict=True):
        np.testing.assert_array_equal(_whole(one), _whole(same))
        assert one.stand_in is not None
        assert one.stand_in.points is sketched.points, "it went on with the sketch"
        assert sketched.face.shape == (128, 128, 3)


def test_few_sketches_are_kept(network: Generator, bank: Portraits, officer_face: AlignedFace) -> None:
    editor = AttganEditor(bank=bank, network=network)
    rows = [with_portraits(np.zeros((1, 13), np.float32), [i], np.ones(1, np.float32)) for i in range(20)]
    small = [editor.sketch(officer_face, row[0]) for row in rows]
    went_on = [editor.edit(officer_face, row)[0].stand_in.points is s.points for row, s in zip(rows, small, strict=True)]  # type: ignore[union-attr]
    assert went_on == [False] * 4 + [True] * 16
