"""Licence plates by a model of the user's own: only its plates, and never mixed with faces."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deid.core.errors import ConfigError
from deid.core.protocols import Detector
from deid.core.types import Detection
from deid.detection.plates import PlateDetector, Together

SIDE, N_CELLS = 64, 64 + 16 + 4
#: Two rows of cells: a sure car, and a plate in it.
CAR, PLATE = (32.0, 32.0, 40.0, 40.0), (30.0, 40.0, 16.0, 4.0)


def _model(path: Path, n_classes: int, names: str, objectness: bool) -> Path:
    """Whatever it is shown, it sees the car (class 0) and the plate (the last class)."""
    columns = 4 + objectness + n_classes
    rows = np.zeros((N_CELLS, columns), np.float32)
    rows[:, :4] = 1
    for at, (box, number) in {3: (CAR, 0), 40: (PLATE, n_classes - 1)}.items():
        rows[at, :4] = box
        rows[at, 4 : 4 + objectness] = 1
        rows[at, 4 + objectness + number] = 0.9
    table = np.repeat(rows, 3, axis=0)[None] if objectness else rows.T[None]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["out"]),
    ]
    tensors = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.zeros(1, np.float32), "zero")]
    shape = [1, 3, SIDE, SIDE]
    graph = helper.make_graph(
        nodes,
        "plates",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if names:
        helper.set_model_props(model, {"names": names})
    onnx.save(model, path)
    return path


IMAGE = np.full((SIDE, SIDE, 3), 100, np.uint8)


@pytest.mark.parametrize("objectness", [False, True], ids=["v8", "v5"])
def test_of_several_classes_the_plates_are_taken(objectness: bool, tmp_path: Path) -> None:
    path = _model(tmp_path / "m.onnx", 3, "{0: 'car', 1: 'bus', 2: 'License_Plate'}", objectness)
    (plate,) = PlateDetector(path).detect(IMAGE)
    assert plate.box_xyxy == pytest.approx([22, 38, 38, 42])
    assert (plate.label, plate.detector, plate.landmarks) == ("license_plate", "plates", None)


def test_a_model_of_one_class_finds_plates_whatever_it_calls_them(tmp_path: Path) -> None:
    assert len(PlateDetector(_model(tmp_path / "m.onnx", 1, "", False)).detect(IMAGE)) == 2


def test_a_model_without_plates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"m\.onnx to be called plate or licen, they are car, bus"):
        PlateDetector(_model(tmp_path / "m.onnx", 2, "{0: 'car', 1: 'bus'}", False))


def test_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        PlateDetector(tmp_path / "nowhere.onnx")


def test_faces_and_plates_stay_apart(fake_detector: Callable[..., Detector]) -> None:
    face = Detection(np.array([10.0, 10, 30, 30]))
    plate = Detection(np.array([10.0, 10, 30, 30]), label="license_plate")
    assert Together([fake_detector([[face]]), fake_detector([[plate]])]).detect(IMAGE) == [face, plate]
