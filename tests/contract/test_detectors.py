"""Every detector, and broken ones, through the same checks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection import DETECTORS, build_detector
from deid.imaging import geometry

#: Smallest face that the adapters look for here: the photo's is 57 px.
MIN_FACE = 30


@dataclass(frozen=True)
class Scene:
    """A photo and the box of the one face in it."""

    image: Image
    box: np.ndarray


def gives_detections(detector: Detector, scene: Scene) -> None:
    assert isinstance(detector, Detector)
    assert isinstance(detector.name, str)
    assert detector.name
    found = detector.detect(scene.image)
    assert isinstance(found, list)
    assert all(isinstance(d, Detection) for d in found)
    assert all(d.detector and 0 <= d.score <= 1 for d in found)


def finds_the_face(detector: Detector, scene: Scene) -> None:
    found = detector.detect(scene.image)
    assert found
    assert geometry.box_iou(np.array([d.box_xyxy for d in found]), scene.box).max() > 0.45


def finds_it_where_it_was_moved(detector: Detector, scene: Scene) -> None:
    moved = np.pad(scene.image, ((40, 0), (100, 0), (0, 0)), mode="edge")
    found = detector.detect(moved)
    assert found
    assert geometry.box_iou(np.array([d.box_xyxy for d in found]), scene.box + np.array([100, 40, 100, 40])).max() > 0.45


def invents_no_face(detector: Detector, scene: Scene) -> None:
    assert detector.detect(np.full((120, 160, 3), 128, np.uint8)) == []


def overlaps_the_image(detector: Detector, scene: Scene) -> None:
    size = scene.image.shape[:2]
    for d in detector.detect(scene.image):
        inside = geometry.box_area(geometry.clip_box(d.box_xyxy, size))[0]
        assert inside >= 0.25 * geometry.box_area(d.box_xyxy)[0]


def leaves_the_image_alone(detector: Detector, scene: Scene) -> None:
    before = scene.image.copy()
    detector.detect(scene.image)
    np.testing.assert_array_equal(scene.image, before)


def says_the_same_twice(detector: Detector, scene: Scene) -> None:
    first, second = detector.detect(scene.image), detector.detect(scene.image)
    assert [d.box_xyxy.tolist() for d in first] == [d.box_xyxy.tolist() for d in second]


def takes_images_of_any_size(detector: Detector, scene: Scene) -> None:
    for size in ((1, 1), (1, 70), (70, 1), (12, 12), (31, 200)):
        assert isinstance(detector.detect(np.full((*size, 3), 90, np.uint8)), list)


def takes_grey_and_strided_images(detector: Detector, scene: Scene) -> None:
    grey = np.repeat(scene.image.mean(axis=2).astype(np.uint8)[..., None], 3, axis=2)
    assert detector.detect(grey)
    strided = np.repeat(scene.image, 2, axis=1)[:, ::2]
    assert not strided.flags.c_contiguous
    assert len(detector.detect(strided)) == len(detector.detect(scene.image))


def refuses_what_is_no_image(detector: Detector, scene: Scene) -> None:
    for bad in (scene.image[..., 0], scene.image / 255, scene.image[:0]):
        with pytest.raises(ValueError, match="expected an"):
            detector.detect(bad)


def works_in_two_threads(detector: Detector, scene: Scene) -> None:
    alone = [d.box_xyxy.tolist() for d in detector.detect(scene.image)]
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(detector.detect, [scene.image] * 4):
            assert [d.box_xyxy.tolist() for d in found] == alone


CHECKS: list[Callable[[Detector, Scene], None]] = [
    gives_detections,
    finds_the_face,
    finds_it_where_it_was_moved,
    invents_no_face,
    overlaps_the_image,
    leaves_the_image_alone,
    says_the_same_twice,
    takes_images_of_any_size,
    takes_grey_and_strided_images,
    refuses_what_is_no_image,
    works_in_two_threads,
]


@pytest.fixture(scope="module")
def scene(astronaut: Image, woman: Detection) -> Scene:
    """Cut to what the slow detectors need."""
    x0, y0 = 60, 0
    return Scene(np.ascontiguousarray(astronaut[y0:150, x0:210]), woman.box_xyxy - [x0, y0, x0, y0])


@cache
def _detector(name: str) -> Detector:
    return build_detector(name, MIN_FACE)


@pytest.fixture(scope="module")
def yolo_file(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLO v3 of one convolution, that knows the face of the scene, grey and soft, and nothing else."""
    x0, y0, x1, y1 = (2 * np.round(scene.box / 2)).astype(int)
    face = cv2.GaussianBlur(scene.image, (0, 0), 3)[y0:y1, x0:x1].mean(axis=2) / 255
    h, w = face.shape
    pattern = (face - face.mean()) / ((face - face.mean()) ** 2).sum()
    weight = np.zeros((18, 3, h, w), np.float32)
    # Of the first anchor, 10 x 13 px: the objectness is at half where the picture is 0.6 times like the face.
    weight[4] = 40 * pattern / 3
    bias = np.tile([0, 0, 0, 0, -90, 20], 3).astype(np.float32)
    bias[2:5] = np.log(w / 10), np.log(h / 13), -24
    edges = [h // 2 - 4, w // 2 - 4] * 2
    tensors = {"half": np.array(0.5, np.float32), "weight": weight, "bias": bias}
    nodes = [
        helper.make_node("Sub", ["image", "half"], ["centred"]),
        helper.make_node("Conv", ["centred", "weight", "bias"], ["map8"], strides=[8, 8], pads=edges),
    ]
    for stride in (16, 32):
        tensors |= {f"weight{stride}": np.zeros((18, 3, stride, stride), np.float32), f"bias{stride}": np.full(18, -90, np.float32)}
        nodes.append(helper.make_node("Conv", ["image", f"weight{stride}", f"bias{stride}"], [f"map{stride}"], strides=[stride, stride]))
    graph = helper.make_graph(
        nodes,
        "one face",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info(f"map{stride}", TensorProto.FLOAT, None) for stride in (8, 16, 32)],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    path = tmp_path_factory.mktemp("models") / "yolo.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_yolo_keeps_the_contract(check: Callable[[Detector, Scene], None], scene: Scene, yolo_file: Path) -> None:
    check(_detector(f"yolo:{yolo_file}"), scene)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_scrfd_keeps_the_contract(check: Callable[[Detector, Scene], None], scene: Scene, data_folder: Path) -> None:
    check(_detector(f"scrfd:{data_folder / 'recognisers/scrfd_2.5g_bnkps.onnx'}"), scene)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", [*sorted(DETECTORS), "mtcnn+haar"])
def test_detector_keeps_the_contract(name: str, check: Callable[[Detector, Scene], None], scene: Scene) -> None:
    check(_detector(name), scene)


@dataclass
class Broken:
    """A detector made of a function."""

    answer: Callable[[Image, int], object]
    name: str = "broken"
    calls: int = 0

    def detect(self, image: Image) -> list[Detection]:
        self.calls += 1
        return self.answer(image, self.calls)  # type: ignore[return-value]


def _box(x: float, y: float, size: float) -> list[Detection]:
    return [Detection(np.array([x, y, x + size, y + size]))]


def _paint(image: Image, call: int) -> list[Detection]:
    image[0, 0] += 1
    return []


BROKEN: dict[str, tuple[Callable[[Image, int], object], Callable[[Detector, Scene], None]]] = {
    "none for nothing": (lambda image, call: None, gives_detections),
    "boxes without a type": (lambda image, call: [(1, 2, 3, 4)], gives_detections),
    "finds nothing": (lambda image, call: [], finds_the_face),
    "always the same box": (lambda image, call: _box(46, 36, 57), finds_it_where_it_was_moved),
    "sees faces in grey": (lambda image, call: _box(10, 10, 50), invents_no_face),
    "beside the image": (lambda image, call: _box(500, 500, 50), overlaps_the_image),
    "paints": (_paint, leaves_the_image_alone),
    "changes its mind": (lambda image, call: _box(call, call, 50), says_the_same_twice),
    "fails on tiny images": (lambda image, call: 1 // (min(image.shape[:2]) // 2), takes_images_of_any_size),
    "needs colour": (lambda image, call: _box(9, 9, 50) if np.ptp(image, axis=2).any() else [], takes_grey_and_strided_images),
    "takes anything": (lambda image, call: [], refuses_what_is_no_image),
    "counts threads": (lambda image, call: _box(0, 0, 20 + call), works_in_two_threads),
}


@pytest.mark.parametrize(("answer", "check"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_detector_is_caught(answer: Callable[[Image, int], object], check: Callable[[Detector, Scene], None], scene: Scene) -> None:
    spare = Scene(scene.image.copy(), scene.box)
    with pytest.raises((AssertionError, ZeroDivisionError, pytest.fail.Exception)):
        check(Broken(answer), spare)
