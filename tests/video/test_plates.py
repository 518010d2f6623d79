"""Licence plates in videos are covered in every frame, beside the faces and whatever these get."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.models import Models
from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.video.decode import Reader
from deid.video.pipeline import anonymize_video, find_video
from deid.video.plates import FIRST_TRACK
from tests.video.conftest import ScriptedDetector, write_video


class PlateBelow:
    """A plate under the bright square, in two of three frames."""

    name = "plates"

    def __init__(self) -> None:
        self._square, self.n_seen = ScriptedDetector(), 0

    def detect(self, image: Image) -> list[Detection]:
        self.n_seen += 1
        seen = self._square.detect(image) if self.n_seen % 3 else []
        below = [np.add(d.box_xyxy, (0, 16, 0, 8)) for d in seen]
        return [Detection(box, 0.9, None, self.name, "license_plate") for box in below]


@pytest.fixture
def plates() -> PlateBelow:
    return PlateBelow()


@pytest.fixture
def engine(every_frame: Options, plates: PlateBelow) -> Anonymizer:
    options = replace(every_frame, solid_rgb=(0, 0, 0))
    return Anonymizer(models=Models(options, plates=plates))


def _shown(video: Path, output: Path) -> list[int]:
    """Frames in which the place of the plate is not black."""
    square, shown = ScriptedDetector(), []
    with Reader(video) as before, Reader(output) as after:
        for a, b in zip(before, after, strict=True):
            (face,) = square.detect(a.rgb())
            x0, y0, x1, y1 = np.add(face.box_xyxy, (1, 17, -1, 7)).astype(int)
            if b.rgb()[y0:y1, x0:x1].mean() >= 30:
                shown.append(a.index)
    return shown


def test_plates_are_covered_in_every_frame(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    result = anonymize_video(video, tmp_path / "out.mp4", engine)
    assert sorted(track.track for track in result.tracks) == [0, FIRST_TRACK]
    assert all(track.asked for track in result.tracks)
    assert _shown(video, tmp_path / "out.mp4") == []


def test_plates_have_their_own_tracks_in_boxes(
    video: Path, engine: Anonymizer, plates: PlateBelow, no_networks: ScriptedDetector, tmp_path: Path
) -> None:
    found, _ = find_video(video, engine)
    labels = {(box.label, box.track) for frame in found.frames for box in frame.boxes}
    assert labels == {("face", 0), ("license_plate", FIRST_TRACK)}
    n_seen = plates.n_seen
    result = anonymize_video(video, tmp_path / "given.mp4", engine, boxes=found)
    assert plates.n_seen == n_seen, "given boxes need no search"
    assert sorted(track.track for track in result.tracks) == [0, FIRST_TRACK]
    assert _shown(video, tmp_path / "given.mp4") == []


def test_without_a_model_there_are_no_plates() -> None:
    assert Anonymizer(Options(method="solid")).models.plates is None


SIDE, CELL = 64, 8


def _sees_yellow(path: Path) -> Path:
    """A model of YOLO's shape that takes what is yellow for plates of 20 x 10 pixels: it looks at its picture."""
    n = SIDE // CELL
    middle = (np.mgrid[:n, :n][::-1].reshape(2, -1) + 0.5) * CELL
    cells = np.concatenate([middle, np.broadcast_to([[20.0], [10.0]], (2, n * n))])[None]
    # Its two coarser grids see nothing.
    others = np.concatenate([np.ones((1, 4, 20)), np.zeros((1, 1, 20))], axis=1)
    tensors = {
        "yellow": np.array([0.5, 0.5, -1.0]).reshape(1, 3, 1, 1),
        "least": np.array([-0.5]),
        "times": np.array(4.0),
        "most": np.array(0.95),
        "cells": cells,
        "others": others,
    }
    nodes = [
        helper.make_node("Conv", ["image", "yellow", "least"], ["y"]),
        helper.make_node("Relu", ["y"], ["above"]),
        helper.make_node("AveragePool", ["above"], ["mean"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Mul", ["mean", "times"], ["score"]),
        helper.make_node("Min", ["score", "most"], ["capped"]),
        helper.make_node("Reshape", ["capped", "shape"], ["scores"]),
        helper.make_node("Concat", ["cells", "scores"], ["own"], axis=1),
        helper.make_node("Concat", ["own", "others"], ["out"], axis=2),
    ]
    initial = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
    initial.append(numpy_helper.from_array(np.array([1, 1, n * n]), "shape"))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 5, n * n + 20])
    graph = helper.make_graph(nodes, "plates", [image], [out], initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_a_model_of_ones_own_covers_plates_where_they_drive(tmp_path: Path) -> None:
    images = [np.full((96, 128, 3), 70, np.uint8) for _ in range(12)]
    for i, image in enumerate(images):
        image[40:48, 8 * i : 8 * i + 16] = (250, 220, 20)
        image[43:45, 8 * i + 6 : 8 * i + 10] = 0
    source = write_video(tmp_path / "cars.mp4", images)
    engine = Anonymizer(Options(method="solid", also=("plates",), plate_model=str(_sees_yellow(tmp_path / "plates.onnx")), seed=1))
    result = anonymize_video(source, tmp_path / "out.mp4", engine)
    assert result.tracks
    with Reader(tmp_path / "out.mp4") as after:
        for i, frame in enumerate(after):
            assert np.ptp(frame.rgb()[41:47, 8 * i + 2 : 8 * i + 14], axis=(0, 1)).max() < 25, f"the plate shows in frame {i}"
