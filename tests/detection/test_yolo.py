"""Every head's numbers are read as what they mean: small models with known answers, built here."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from deid.core.errors import ConfigError, DependencyError, DetectionError
from deid.core.types import Image
from deid.detection import build_detector
from deid.detection.yolo import YoloDetector

#: The models' input, and the grids of their three strides.
SIDE, STRIDES = 64, (8, 16, 32)
#: Landmarks about the centre of a cell, in strides: right eye, left eye, nose, mouth corners.
POINTS = np.array([[-0.4, -0.3], [0.4, -0.3], [0, 0.1], [-0.3, 0.5], [0.3, 0.5]])

Parts = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _centres() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centres (N, 2) of all cells, and their strides (N, 1)."""
    centres = [(np.stack(np.meshgrid(*[np.arange(SIDE // s)] * 2), -1).reshape(-1, 2) + 0.5) * s for s in STRIDES]
    strides = [np.full((len(c), 1), s) for c, s in zip(centres, STRIDES, strict=True)]
    return np.concatenate(centres).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _whiteness() -> Parts:
    """Nodes that say how white each cell of stride 16 is, as `score` (1, 1, N); cells of other strides give 0."""
    nodes, tensors = [], [numpy_helper.from_array(np.array([1, 1, -1]), "flat")]
    for s in STRIDES:
        weight = np.zeros((1, 3, s, s), np.float32)
        weight[0, 0] = (s == 16) / s**2
        tensors.append(numpy_helper.from_array(weight, f"w{s}"))
        nodes.append(helper.make_node("Conv", ["image", f"w{s}"], [f"map{s}"], strides=[s, s]))
        nodes.append(helper.make_node("Reshape", [f"map{s}", "flat"], [f"row{s}"]))
    nodes.append(helper.make_node("Concat", [f"row{s}" for s in STRIDES], ["score"], axis=2))
    return nodes, tensors


def _table(before: NDArray[np.float32], after: NDArray[np.float32], times: int) -> Parts:
    """Nodes for `out` (1, columns, N * times): constant columns, the score, constant columns."""
    nodes, tensors = _whiteness()
    names = []
    for name, columns in (("before", before), ("after", after)):
        if columns.shape[1]:
            tensors.append(numpy_helper.from_array(np.ascontiguousarray(columns.T)[None], name))
            names.append(name)
    names.insert(1, "score")
    nodes.append(helper.make_node("Concat", names, ["once"], axis=1))
    nodes.append(helper.make_node("Concat", ["once"] * times, ["out"], axis=2))
    return nodes, tensors


def _landmarks(visibility: bool) -> NDArray[np.float32]:
    centres, strides = _centres()
    points = centres[:, None] + strides[:, None] * POINTS
    if visibility:
        points = np.concatenate([points, np.full((*points.shape[:2], 1), 0.9)], axis=2)
    return points.reshape(len(centres), -1).astype(np.float32)


def _boxes() -> NDArray[np.float32]:
    """Centres and sizes (N, 4): two strides across."""
    centres, strides = _centres()
    return np.concatenate([centres, np.repeat(2 * strides, 2, axis=1)], axis=1)


def _v8(landmarks: NDArray[np.float32] | None = None) -> tuple[Parts, list[str]]:
    none = np.zeros((len(_boxes()), 0), np.float32)
    return _table(_boxes(), none if landmarks is None else landmarks, 1), ["out"]


def _v5(*after: NDArray[np.float32]) -> tuple[Parts, list[str]]:
    nodes, tensors = _table(_boxes(), np.concatenate(after, axis=1), 3)
    return ([*nodes, helper.make_node("Transpose", ["out"], ["rows"], perm=[0, 2, 1])], tensors), ["rows"]


def _v3(anchors: dict[int, tuple[int, int]]) -> tuple[Parts, list[str]]:
    """Maps of logits; the first anchor of stride 16 (width, height as given) sees white cells as faces of 32 px."""
    nodes, tensors = [], []
    for s, (width, height) in anchors.items():
        weight, bias = np.zeros((18, 3, s, s), np.float32), np.tile([0, 0, 0, 0, -20, 20], 3).astype(np.float32)
        if s == 16:
            weight[4, 0] = 100 / s**2
            bias[2:5] = np.log(32 / width), np.log(32 / height), -90
        tensors += [numpy_helper.from_array(weight, f"w{s}"), numpy_helper.from_array(bias, f"b{s}")]
        nodes.append(helper.make_node("Conv", ["image", f"w{s}", f"b{s}"], [f"map{s}"], strides=[s, s]))
    return (nodes, tensors), [f"map{s}" for s in sorted(anchors, reverse=True)]


def _one(value: float = 1.0) -> NDArray[np.float32]:
    return np.full((len(_boxes()), 1), value, np.float32)


_FULL_V3 = {8: (10, 13), 16: (30, 61), 32: (116, 90)}
HEADS: dict[str, tuple[Callable[[], tuple[Parts, list[str]]], bool]] = {
    "v8": (_v8, False),
    "v8-pose": (lambda: _v8(_landmarks(False)), True),
    "v8-pose with visibility": (lambda: _v8(_landmarks(True)), True),
    "v5": (lambda: _v5(_one()), False),
    "v5-face": (lambda: _v5(_landmarks(False), _one()), True),
    "v5-face without class": (lambda: _v5(_landmarks(False)), True),
    "v3": (lambda: _v3(_FULL_V3), False),
    "v3-tiny": (lambda: _v3({16: (10, 14), 32: (81, 82)}), False),
}


def _save(path: Path, parts: tuple[Parts, list[str]], shape: Sequence[int | str] = (1, 3, SIDE, SIDE)) -> Path:
    (nodes, tensors), outputs = parts
    graph = helper.make_graph(
        nodes,
        "faces",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def _white_square(size_hw: tuple[int, int], x: int, y: int, side: int) -> Image:
    image = np.zeros((*size_hw, 3), np.uint8)
    image[y : y + side, x : x + side] = 255
    return image


@pytest.mark.parametrize(("head", "has_landmarks"), HEADS.values(), ids=HEADS.keys())
@pytest.mark.parametrize(
    ("image", "centre", "scale"),
    [
        (_white_square((64, 64), 16, 32, 16), (24, 40), 1),
        (_white_square((128, 128), 64, 32, 32), (80, 48), 2),
        (_white_square((32, 64), 48, 0, 16), (56, 8), 1),
        (_white_square((16, 32), 8, 0, 8), (12, 4), 0.5),
    ],
    ids=["as it is", "shrunk", "padded", "enlarged"],
)
def test_the_face_comes_back_where_it_is(
    head: Callable[[], tuple[Parts, list[str]]],
    has_landmarks: bool,
    image: Image,
    centre: tuple[int, int],
    scale: float,
    tmp_path: Path,
) -> None:
    found = YoloDetector(_save(tmp_path / "m.onnx", head()), threshold=0.6).detect(image)
    assert len(found) == 1
    expected = np.array([*centre, *centre]) + 16 * scale * np.array([-1, -1, 1, 1])
    np.testing.assert_allclose(found[0].box_xyxy, expected, atol=1e-3)
    assert found[0].score == pytest.approx(1, abs=0.06)
    assert found[0].detector == "yolo"
    if has_landmarks:
        np.testing.assert_allclose(found[0].landmarks, np.array(centre) + 16 * scale * POINTS, atol=1e-3)
    else:
        assert found[0].landmarks is None


def test_objectness_and_class_multiply(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.onnx", _v5(_one(0.5)))
    assert [d.score for d in YoloDetector(path).detect(_white_square((64, 64), 16, 16, 16))] == [pytest.approx(0.5)]
    assert YoloDetector(path, threshold=0.6).detect(_white_square((64, 64), 16, 16, 16)) == []


def test_input_of_free_size_is_not_enlarged(tmp_path: Path) -> None:
    detector = YoloDetector(_save(tmp_path / "m.onnx", _v3(_FULL_V3), (1, 3, "height", "width")), threshold=0.6)
    # 40 rows become 64: twelve of grey above and below, which the grid of 16 px meets after four rows.
    found = detector.detect(_white_square((40, 96), 64, 4, 16))
    np.testing.assert_allclose([d.box_xyxy for d in found], [[56, -4, 88, 28]], atol=1e-3)


def test_by_name_a_large_photo_is_looked_at_in_full_size(tmp_path: Path) -> None:
    detector = build_detector(f"yolo:{_save(tmp_path / 'm.onnx', _v8())}")
    found = detector.detect(_white_square((64, 200), 96, 16, 16))
    assert [d.score for d in found if np.allclose(d.box_xyxy, [88, 8, 120, 40], atol=1e-3)] == [pytest.approx(1, abs=1e-3)]


def _columns(n: int) -> tuple[Parts, list[str]]:
    return _v5(np.zeros((len(_boxes()), n - 5), np.float32))


@pytest.mark.parametrize("n", [7, 21, 85])
def test_unknown_head_is_refused(n: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected the outputs of a YOLO v3, v5 or v8 .*model .* got \[\(1, 252, \d+\)\]"):
        YoloDetector(_save(tmp_path / "m.onnx", _columns(n))).detect(_white_square((64, 64), 0, 0, 16))


def test_rows_that_fit_no_grid_are_refused(tmp_path: Path) -> None:
    """Such as (1, 300, 6) of a model that suppresses by itself: corners, not centres."""
    rows = numpy_helper.from_array(np.zeros((1, 300, 6), np.float32), "rows")
    nodes = [helper.make_node("ReduceSum", ["image"], ["sum"], keepdims=0), helper.make_node("Mul", ["rows", "sum"], ["out"])]
    with pytest.raises(ConfigError, match=r"\(1, 300, 6\)"):
        YoloDetector(_save(tmp_path / "m.onnx", ((nodes, [rows]), ["out"]))).detect(_white_square((64, 64), 0, 0, 16))


def test_failing_model_is_told(tmp_path: Path) -> None:
    wrong = numpy_helper.from_array(np.array([1, 1, 7]), "flat")
    nodes = [helper.make_node("Reshape", ["image", "flat"], ["out"])]
    path = _save(tmp_path / "m.onnx", ((nodes, [wrong]), ["out"]), (1, 3, "height", "width"))
    with pytest.raises(DetectionError, match=r"m.onnx failed on an image of 64 x 64 pixels"):
        YoloDetector(path).detect(_white_square((64, 64), 0, 0, 16))


def test_channels_last_input_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["image"], ["out"])]
    with pytest.raises(ConfigError, match=r"m.onnx to take one float image \(1, 3, H, W\), it takes .*\[1, 64, 64, 3\]"):
        YoloDetector(_save(tmp_path / "m.onnx", ((nodes, []), ["out"]), (1, 64, 64, 3)))


@pytest.mark.parametrize("name", ["yolo", "scrfd"])
def test_missing_file_and_no_model(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ConfigError, match="expected an ONNX model in"):
        build_detector(f"{name}:{tmp_path / 'text.onnx'}")
    with pytest.raises(ConfigError, match="found no file"):
        build_detector(f"{name}:{tmp_path / 'absent.onnx'}")
    with pytest.raises(ConfigError, match=f"unknown detector '{name}:'"):
        build_detector(f"{name}:")


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DependencyError, match=r"pip install onnxruntime"):
        YoloDetector(_save(tmp_path / "m.onnx", _v8()))
