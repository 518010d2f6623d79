"""The two passes, on a small generator that needs no training."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from deid.attributes.sampler import sample_sets
from deid.detect.face_points import FacePoints
from deid.edit.appearance import AppearanceModel, shaded
from deid.edit.attgan import AttganEditor, coarsen
from deid.exceptions import EditError
from deid.models.attgan import ATTRIBUTES, N_CODES, Discriminator, Generator
from deid.structures import AlignedFace, Detection, Image

IDENTITY = np.array([[1.0, 0, 0], [0, 1.0, 0]])


@pytest.fixture(scope="module")
def network() -> Generator:
    torch.manual_seed(0)
    generator = Generator(4, n_codes=N_CODES).eval().requires_grad_(False)
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


@torch.inference_mode()
def test_second_pass_inverts_the_attributes_and_keeps_the_person(network: Generator, face: AlignedFace) -> None:
    """The batched passes with one encoding are what two plain calls give."""
    sets = _sets(5)
    proposals = AttganEditor(network=network, replaced=0).edit(face, sets)
    for proposal, a in zip(proposals, sets, strict=True):
        set_ = torch.from_numpy(a)[None]
        back = torch.cat([-set_[:, :13], set_[:, 13:]], dim=1)
        plain = network(network(_to_tensor(face.crop), set_), back)[0].permute(1, 2, 0).numpy()
        assert np.abs(proposal.crop - (plain.clip(-1, 1) + 1) * 127.5).max() <= 1
        np.testing.assert_array_equal(proposal.attributes, a)


def test_generator_sees_a_stand_in_of_the_subjects_gender(network: Generator, face: AlignedFace) -> None:
    """The first pass is told the other gender, and what is shown is the subject's own."""
    editor = AttganEditor(network=network)
    for male in (True, False):
        sets = sample_sets(male, 2, np.random.default_rng(1))
        wanted = AppearanceModel().stand_ins(face.crop, FacePoints().points(face.crop), male, sets[:, 13:], 1.0)
        np.testing.assert_array_equal(editor.shown(face.crop, sets), wanted)
        edited = AttganEditor(network=network, replaced=0).edit(replace(face, crop=wanted[1]), sets)[1].crop
        (edited,) = shaded(edited[None], wanted[1:], face.crop)
        assert np.abs(edited.astype(int) - editor.edit(face, sets)[1].crop).max() <= 2
    assert editor.coarse(16).shown(face.crop, sets).tobytes() == wanted.tobytes()


def test_other_sets_give_other_faces(network: Generator, face: AlignedFace) -> None:
    proposals = AttganEditor(network=network).edit(face, _sets(4))
    assert [p.method for p in proposals] == ["attgan"] * 4
    crops = {p.crop.tobytes() for p in proposals}
    assert len(crops) == 4


def test_other_code_gives_another_face(network: Generator, face: AlignedFace) -> None:
    sets = _sets(2)
    sets[1, :13] = sets[0, :13]
    one, two = AttganEditor(network=network).edit(face, sets)
    assert not np.array_equal(one.crop, two.crop)


def test_published_checkpoint_without_codes_takes_the_same_sets(face: AlignedFace) -> None:
    torch.manual_seed(0)
    proposals = AttganEditor(network=Generator(4).eval()).edit(face, _sets(2))
    assert [len(p.attributes) for p in proposals if p.attributes is not None] == [13 + N_CODES] * 2


@pytest.mark.parametrize("replaced", [0, 1.0])
def test_dark_faces_are_edited_as_if_they_were_lit(network: Generator, face: AlignedFace, replaced: float) -> None:
    """Of two exposures of one night, one gives what the other gives, and as dark as it is."""
    editor, sets = AttganEditor(network=network, replaced=replaced), _sets(2)
    smooth = cv2.GaussianBlur(face.crop, (0, 0), 6)
    dark, darker = (replace(face, crop=(smooth * share).round().astype(np.uint8)) for share in (0.4, 0.2))
    for a, b in zip(editor.edit(dark, sets), editor.edit(darker, sets), strict=True):
        assert np.abs(a.crop / 2 - b.crop.astype(float)).mean() < 2.0
        assert b.crop.max() < 100


def test_order_of_the_batch_does_not_matter(network: Generator, face: AlignedFace) -> None:
    editor, sets = AttganEditor(network=network), _sets(3)
    forward, backward = editor.edit(face, sets), editor.edit(face, sets[::-1].copy())
    for a, b in zip(forward, backward[::-1], strict=True):
        assert np.abs(a.crop.astype(int) - b.crop).max() <= 1


def test_coarse_editor_sees_no_more_than_a_mosaic(network: Generator, face: AlignedFace) -> None:
    """Two crops that differ inside the cells alone lead to the same faces."""
    plain, sets = AttganEditor(network=network, replaced=0), _sets(2)
    cells = face.crop.reshape(16, 8, 16, 8, 3)
    shuffled = AlignedFace(np.ascontiguousarray(cells[:, ::-1, :, ::-1]).reshape(128, 128, 3), IDENTITY, face.detection)
    assert not np.array_equal(shuffled.crop, face.crop)
    coarse = plain.coarse(16)
    for a, b in zip(coarse.edit(face, sets), coarse.edit(shuffled, sets), strict=True):
        assert np.abs(a.crop.astype(int) - b.crop).max() <= 1
        assert a.method == "attgan_16"
    fine = zip(plain.edit(face, sets), plain.edit(shuffled, sets), strict=True)
    assert any(np.abs(a.crop.astype(int) - b.crop).max() > 1 for a, b in fine)


@pytest.mark.parametrize("cells", [1, 16, 29, 128])
def test_coarsen_keeps_the_mean_and_loses_detail(cells: int) -> None:
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    coarse = coarsen(images, cells)
    assert coarse.shape == images.shape
    torch.testing.assert_close(coarse.mean(dim=(2, 3)), images.mean(dim=(2, 3)), atol=0.01, rtol=0)
    torch.testing.assert_close(coarsen(images, 128), images)
    assert cells == 128 or coarse.std() < 0.5 * images.std()


def test_wrong_shapes_are_refused(network: Generator, face: AlignedFace) -> None:
    editor = AttganEditor(network=network)
    small = AlignedFace(face.crop[:64], IDENTITY, face.detection)
    with pytest.raises(EditError, match="expected a crop of 128 x 128 x 3"):
        editor.edit(small, _sets(1))
    for sets in (np.zeros(29), np.zeros((2, 13)), np.zeros((1, 2, 29))):
        with pytest.raises(EditError, match=r"expected attribute sets \(N, 29\)"):
            editor.edit(face, sets)


@pytest.mark.parametrize("width", [2, 8])
def test_networks_have_the_published_shape(width: int) -> None:
    generator, critic = Generator(width), Discriminator(width)
    shortcut, code = generator.encode(torch.zeros(2, 3, 128, 128))
    assert shortcut.shape == (2, 8 * width, 8, 8)
    assert code.shape == (2, 16 * width, 4, 4)
    assert generator(torch.zeros(2, 3, 128, 128), torch.zeros(2, 13)).shape == (2, 3, 128, 128)
    real, patch, attributes = critic(torch.zeros(2, 3, 128, 128), torch.zeros(2, 13))
    assert (real.shape, patch.shape, attributes.shape) == ((2, 1), (2, 1, 16, 16), (2, 13))


def test_attributes_are_the_published_13_in_order() -> None:
    assert len(ATTRIBUTES) == 13
    assert list(ATTRIBUTES) == sorted(ATTRIBUTES)
    assert ATTRIBUTES[7] == "Male"
