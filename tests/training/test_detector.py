"""A few steps on tiny pictures, the way on after a kill, and what is written."""

import io
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from deid import weights
from deid.cli import train
from deid.core.errors import ConfigError
from deid.models.face_rcnn import FaceRcnn
from deid.training import boxes
from deid.training.boxes import LabelledPhoto
from deid.training.detector import DetectorOptions, DetectorTraining, learning_rate
from deid.weights import modules

TINY = DetectorOptions(channels=8, head=8, steps=4, batch_size=2, side=64)


@pytest.fixture(scope="module")
def photos() -> list[LabelledPhoto]:
    """Noise with a bright square for a face; one photo has none."""
    rng, made = np.random.default_rng(0), []
    for i in range(4):
        image = rng.integers(0, 120, (100, 100, 3), dtype=np.uint8)
        n = min(i, 1)
        if n:
            image[30:70, 35:65] = 220
        buffer = io.BytesIO()
        PillowImage.fromarray(image).save(buffer, "jpeg")
        found = np.array([[35, 30, 65, 70]] * n, np.float32).reshape(-1, 4)
        made.append(LabelledPhoto(f"{i}.jpg", buffer.getvalue(), found, np.ones(n, bool)))
    return made


def test_every_part_learns(photos: list[LabelledPhoto], tmp_path: Path) -> None:
    training = DetectorTraining(photos, tmp_path, TINY)
    before = {k: v.clone() for k, v in training.network.named_parameters()}
    texts: list[str] = []
    network = training.run(lambda step, steps, text: texts.append(f"{step}/{steps} {text}"))
    assert [t.split()[0] for t in texts] == ["1/4", "2/4", "3/4", "4/4"]
    assert all(name in texts[0] for name in ("classifier", "box_reg", "objectness", "rpn_box_reg"))
    assert [k for k, v in training.network.named_parameters() if torch.equal(v, before[k])] == []
    assert not network.training
    found = network([torch.rand(3, 50, 70)])[0]
    assert found["boxes"].shape == (len(found["scores"]), 4)


def test_a_run_that_goes_on_is_the_unbroken_run(photos: list[LabelledPhoto], tmp_path: Path) -> None:
    def kill(step: int, steps: int, text: str) -> None:
        if step == 3:
            raise KeyboardInterrupt

    whole = DetectorTraining(photos, tmp_path / "whole", TINY).run()
    with pytest.raises(KeyboardInterrupt):
        DetectorTraining(photos, tmp_path / "broken", TINY).run(kill, save_every=2)
    again = DetectorTraining(photos, tmp_path / "broken", TINY)
    assert again.step == 2
    mended = again.run()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, mended.state_dict()[name]), name


def test_a_run_may_begin_with_trained_weights(photos: list[LabelledPhoto], tmp_path: Path) -> None:
    torch.manual_seed(7)
    start = FaceRcnn(8, 8)
    begun = DetectorTraining(photos, tmp_path, TINY, start)
    for name, value in start.state_dict().items():
        assert torch.equal(value, begun.average.state_dict()[name])
    with pytest.raises(ConfigError, match="expected channels and head"):
        DetectorTraining(photos, tmp_path, replace(TINY, channels=16), start)


def test_learning_rate_rises_stays_and_falls() -> None:
    options = replace(TINY, steps=2000, learning_rate=1.0)
    rates = [learning_rate(step, options) for step in range(2000)]
    assert rates[0] == pytest.approx(1 / 200)
    assert set(rates[199:1400]) == {1.0}
    assert rates[1700] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01


def test_the_command_writes_weights_that_load(photos: list[LabelledPhoto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "load", lambda *args: photos)
    (tmp_path / "o.toml").write_text("channels = 8\nhead = 8\nsteps = 2\nbatch_size = 2\nside = 64\n")
    steps: list[int] = []
    train.train_detector(tmp_path, tmp_path / "out", tmp_path / "none.onnx", False, tmp_path / "o.toml", lambda s, n, t: steps.append(s))
    assert steps == [1, 2]
    assert json.loads((tmp_path / "out/detector.json").read_text()) == []
    entry = tomllib.loads((tmp_path / "out/manifest.toml").read_text())["detector"]
    assert entry["architecture"] == {"channels": 8, "head": 8}
    assert entry["command"] == ("deid train detector --data DIR --out OUT, channels = 8, head = 8, steps = 2, batch_size = 2, side = 64")
    monkeypatch.setattr(weights, "folder", lambda: tmp_path / "out")
    assert isinstance(modules.load_detector(), FaceRcnn)
