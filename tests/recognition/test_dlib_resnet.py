"""The network in torch is dlib's, and it tells people apart."""

import io
import tarfile
from pathlib import Path

import dlib
import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.types import Detection, Image
from deid.detection.mtcnn import MtcnnDetector
from deid.imaging.alignment import align, warp
from deid.models.dlib_file import dlib_arrays
from deid.recognition.dlib_resnet import CROP_TO_CHIP, DlibResNetEmbedder
from deid.recognition.warped import warped
from deid.weights import dlib_model_file

MODEL = "dlib_face_recognition_resnet_model_v1.dat"


@pytest.fixture(scope="module")
def crops(astronaut: Image, woman: Detection, hopper: Image, officer: Detection) -> np.ndarray:
    """Four crops: her, somebody else, her mirrored, a patch of background."""
    her, other = align(astronaut, woman).crop, align(hopper, officer).crop
    background = warp(astronaut, np.array([[1.0, 0, 0], [0, 1, -170]]))
    return np.stack([her, other, her[:, ::-1], background])


def test_descriptors_are_dlibs_own(embedder: DlibResNetEmbedder, crops: np.ndarray) -> None:
    oracle = dlib.face_recognition_model_v1(str(dlib_model_file(MODEL)))
    pictures = warped(crops, CROP_TO_CHIP, 150)
    expected = np.array([oracle.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in pictures])
    (found,) = embedder.network(pictures)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_chips_agree_with_dlibs_alignment(hopper: Image, officer: Detection) -> None:
    """Both ways to the recogniser's input see the same face: the descriptors lie far closer than two people's."""
    oracle = dlib.face_recognition_model_v1(str(dlib_model_file(MODEL)))
    shape = dlib.shape_predictor(str(dlib_model_file("shape_predictor_5_face_landmarks.dat")))
    box = dlib.rectangle(*officer.box_xyxy.round().astype(int).tolist())
    theirs = np.array(oracle.compute_face_descriptor(dlib.get_face_chip(hopper, shape(hopper, box))))
    ours = np.array(oracle.compute_face_descriptor(np.ascontiguousarray(warped(align(hopper, officer).crop[None], CROP_TO_CHIP, 150)[0])))
    assert np.linalg.norm(theirs - ours) < 0.35


def test_rows_have_unit_norm(embedder: DlibResNetEmbedder, crops: np.ndarray) -> None:
    rows = embedder.embed(crops)
    assert rows.shape == (4, 128)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_same_crops_same_rows_in_any_batch(crops: np.ndarray) -> None:
    small, large = DlibResNetEmbedder(batch_size=1), DlibResNetEmbedder(batch_size=3)
    np.testing.assert_allclose(small.embed(crops), large.embed(crops), atol=1e-5)
    np.testing.assert_array_equal(large.embed(crops), large.embed(crops))


def test_two_people_lie_beyond_the_threshold(embedder: DlibResNetEmbedder, crops: np.ndarray) -> None:
    her, other, mirrored, background = embedder.embed(crops)
    assert np.linalg.norm(her - mirrored) < embedder.threshold
    assert np.linalg.norm(her - other) > embedder.threshold
    assert np.linalg.norm(her - background) > embedder.threshold


def test_chip_matrix_has_the_scale_of_both_sizes() -> None:
    """The eyes are 36 px apart in a crop and about 54 px in a chip."""
    assert CROP_TO_CHIP[0, 0] == pytest.approx(54 / 36, abs=0.05)


def test_file_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="expected layer con_4"):
        dlib_arrays(b"no network in here" * 100)


def test_mates_lie_nearer_than_strangers_on_lfw(data_folder: Path, mtcnn: MtcnnDetector, embedder: DlibResNetEmbedder) -> None:
    lines = [line.split("\t") for line in (data_folder / "lfw-pairs.txt").read_text().splitlines()[1:]]
    mates = [(f"{a}/{a}_{int(i):04d}.jpg", f"{a}/{a}_{int(j):04d}.jpg") for a, i, j in [p for p in lines if len(p) == 3][:12]]
    others = [(f"{a}/{a}_{int(i):04d}.jpg", f"{b}/{b}_{int(j):04d}.jpg") for a, i, b, j in [p for p in lines if len(p) == 4][:12]]
    with tarfile.open(data_folder / "lfw-deepfunneled.tar") as tar:
        members = {"/".join(m.name.split("/")[-2:]): m for m in tar.getmembers() if m.isfile()}
        rows = {}
        for name in {n for pair in mates + others for n in pair}:
            photo = tar.extractfile(members[name])
            assert photo is not None
            image = np.asarray(PillowImage.open(io.BytesIO(photo.read())).convert("RGB"))
            central = min(mtcnn.detect(image), key=lambda d: abs(d.box_xyxy.mean() - 125))
            rows[name] = embedder.embed(align(image, central).crop[None])[0]
    near = [np.linalg.norm(rows[a] - rows[b]) for a, b in mates]
    far = [np.linalg.norm(rows[a] - rows[b]) for a, b in others]
    assert np.mean(near) < embedder.threshold < np.mean(far)
    assert np.mean([n < f for n in near for f in far]) > 0.97
