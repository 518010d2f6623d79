"""The cascade finds what facenet-pytorch's own loop finds."""

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN

from deid.core.types import Image
from deid.detection.cascade import Cascade, _Sums
from deid.detection.mtcnn import networks

_THRESHOLDS = (0.6, 0.7, 0.7)


@pytest.mark.parametrize("min_face", [15, 20, 60])
def test_finds_what_the_library_finds(min_face: int, astronaut: Image, hopper: Image) -> None:
    theirs = MTCNN(keep_all=True, min_face_size=min_face, thresholds=list(_THRESHOLDS))
    ours = Cascade(networks("cpu"), min_face, _THRESHOLDS)
    for image in (astronaut, hopper):
        boxes, scores, points = theirs.detect(image, landmarks=True)
        (found,) = ours.find([image])
        assert len(boxes) > 0
        np.testing.assert_allclose(found.boxes, np.asarray(boxes, float), atol=0.01)
        np.testing.assert_allclose(found.scores, np.asarray(scores, float), atol=1e-4)
        np.testing.assert_allclose(found.points, np.asarray(points, float), atol=0.01)


def test_finds_each_image_s_own_faces(astronaut: Image, hopper: Image) -> None:
    cascade = Cascade(networks("cpu"), 20, _THRESHOLDS)
    pair = [np.ascontiguousarray(astronaut[:256, :256]), np.zeros((256, 256, 3), np.uint8), np.ascontiguousarray(hopper[:256, :256])]
    together = cascade.find(pair)
    assert len(together[1].boxes) == 0
    for image, found in zip(pair, together, strict=True):
        np.testing.assert_allclose(found.boxes, cascade.find([image])[0].boxes, atol=0.05)


def test_nothing_to_look_at_gives_nothing() -> None:
    cascade = Cascade(networks("cpu"), 20, _THRESHOLDS)
    assert cascade.find([]) == []
    (found,) = cascade.find([np.zeros((9, 9, 3), np.uint8)])
    assert found.boxes.shape == (0, 4)
    assert found.points.shape == (0, 5, 2)


@pytest.mark.parametrize("size", [(24, 24), (7, 90), (61, 33)])
def test_means_are_those_of_area_pooling(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    pool = torch.nn.AdaptiveAvgPool2d(size)
    expected = pool(torch.from_numpy(image).permute(2, 0, 1).float()).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(_Sums(image).level(size), expected, atol=1e-3)


def test_crops_are_those_of_area_pooling() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    boxes = np.array([[0, 0, 80, 60], [3, 5, 13, 15], [79, 59, 80, 60]], np.int32)
    pool = torch.nn.AdaptiveAvgPool2d(24)
    for (x0, y0, x1, y1), crop in zip(boxes, _Sums(image).crops(boxes, 24), strict=True):
        part = torch.from_numpy(np.ascontiguousarray(image[y0:y1, x0:x1])).permute(2, 0, 1).float()
        np.testing.assert_allclose(crop, pool(part).permute(1, 2, 0).numpy(), atol=1e-3)


@pytest.mark.parametrize("side", [1700, 2950])
def test_sums_of_large_images_do_not_overflow(side: int) -> None:
    """The larger one's is more than 32 bits hold."""
    white = np.full((side, side, 3), 255, np.uint8)
    np.testing.assert_allclose(_Sums(white).level((2, 3)), 255)
