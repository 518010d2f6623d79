"""What the adapter does around the network, and what the shipped network finds that a cascade may not."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deid.core.errors import DetectionError
from deid.core.types import Detection, Image
from deid.detection.faster_rcnn import FasterRcnnDetector
from deid.imaging import geometry
from deid.models.face_rcnn import FaceRcnn


class _Network(nn.Module):
    """Answers with prepared boxes in pixels of what it sees."""

    def __init__(self, boxes: list[list[float]], scores: list[float]) -> None:
        super().__init__()
        self.answer = {"boxes": torch.tensor(boxes).reshape(-1, 4), "scores": torch.tensor(scores)}
        self.seen: list[Tensor] = []

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        self.seen += images
        return [self.answer]


def _detector(network: Any, min_face: int = 15, threshold: float = 0.5) -> FasterRcnnDetector:
    return FasterRcnnDetector(min_face, threshold, network)


@pytest.mark.parametrize(
    ("min_face", "size_hw", "scale"),
    [(15, (100, 200), 1), (30, (100, 200), 0.5), (10, (100, 200), 1.5), (7, (100, 200), 2), (10, (2000, 3200), 0.5)],
)
def test_photo_is_scaled_to_the_smallest_face_and_boxes_come_back(min_face: int, size_hw: tuple[int, int], scale: float) -> None:
    network = _Network([[20, 10, 40, 30]], [0.8])
    found = _detector(network, min_face).detect(np.full((*size_hw, 3), 128, np.uint8))
    assert network.seen[0].shape == (3, max(64, size_hw[0] * scale), size_hw[1] * scale)
    assert network.seen[0].mean() == pytest.approx(128 / 255, abs=1e-6)
    assert [(d.score, d.landmarks, d.detector) for d in found] == [(pytest.approx(0.8), None, "faster_rcnn")]
    np.testing.assert_allclose(found[0].box_xyxy, np.array([20, 10, 40, 30]) / scale)


def test_low_scores_and_boxes_in_the_padding_are_left_out() -> None:
    network = _Network([[0, 0, 20, 20], [20, 0, 40, 20], [45, 45, 60, 60]], [0.9, 0.4, 0.9])
    found = _detector(network, threshold=0.5).detect(np.zeros((40, 64, 3), np.uint8))
    assert [d.box_xyxy.tolist() for d in found] == [[0, 0, 20, 20]]


def test_failing_network_is_told() -> None:
    class _Broken(nn.Module):
        def forward(self, images: list[Tensor]) -> None:
            raise RuntimeError("out of memory")

    with pytest.raises(DetectionError, match="faster_rcnn failed on an image of 40 x 64 pixels: out of memory"):
        _detector(_Broken()).detect(np.zeros((40, 64, 3), np.uint8))


@pytest.mark.parametrize("size_hw", [(64, 64), (100, 130), (300, 310)])
def test_the_network_sees_the_pixels_that_it_is_given(size_hw: tuple[int, int]) -> None:
    network, seen = FaceRcnn(8, 8).eval(), list[Tensor]()
    network.network.backbone.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    image = torch.rand(3, *size_hw)
    with torch.inference_mode():
        network([image])
    h, w = size_hw
    # Sides are filled up to multiples of 32.
    assert seen[0].shape == (1, 3, -(-h // 32) * 32, -(-w // 32) * 32)
    assert torch.allclose(seen[0][0, :, :h, :w], (image - 0.5) / 0.25)


def test_an_untrained_network_gives_detections_or_nothing() -> None:
    torch.manual_seed(0)
    found = _detector(FaceRcnn(8, 8), threshold=0.0).detect(np.random.default_rng(0).integers(0, 255, (70, 90, 3), dtype=np.uint8))
    assert all(isinstance(d, Detection) for d in found)


@pytest.fixture(scope="module")
def shipped() -> FasterRcnnDetector:
    return FasterRcnnDetector(min_face=15)


def _best_iou(found: list[Detection], box: np.ndarray) -> float:
    return float(geometry.box_iou(np.array([d.box_xyxy for d in found]), box).max()) if found else 0.0


@pytest.mark.parametrize("size", [100, 40, 20])
def test_large_and_small_faces(size: int, shipped: FasterRcnnDetector, astronaut: Image, woman: Detection) -> None:
    scale = size / woman.size
    image = np.asarray(cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    assert _best_iou(shipped.detect(image), woman.box_xyxy * scale) > 0.5


@pytest.mark.parametrize("side", ["left", "right", "bottom"])
def test_half_a_face_at_the_border(side: str, shipped: FasterRcnnDetector, astronaut: Image, woman: Detection) -> None:
    x, y = ((woman.box_xyxy[:2] + woman.box_xyxy[2:]) / 2).astype(int)
    x0, y0, x1, y1 = {"left": (x, 0, 300, 300), "right": (0, 0, x, 300), "bottom": (0, 0, 300, y + 8)}[side]
    half = geometry.clip_box(woman.box_xyxy - [x0, y0, x0, y0], (y1 - y0, x1 - x0))
    assert _best_iou(shipped.detect(np.ascontiguousarray(astronaut[y0:y1, x0:x1])), half) > 0.5


def test_blurred_and_grey_face(shipped: FasterRcnnDetector, astronaut: Image, woman: Detection) -> None:
    soft = cv2.GaussianBlur(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), (0, 0), 3)
    assert _best_iou(shipped.detect(np.repeat(soft[..., None], 3, axis=2)), woman.box_xyxy) > 0.5
