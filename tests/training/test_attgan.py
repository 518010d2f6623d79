"""A few steps of both stages on a tiny network, and the way on after a kill."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import ConfigError
from deid.editing.sampler import RANGE
from deid.models.attgan import Generator
from deid.training import checkpoint
from deid.training.attgan import GeneratorOptions, GeneratorTraining
from deid.training.data import FaceData
from deid.training.lessons import make_room
from deid.training.recognisers import CropRecogniser

TINY = GeneratorOptions(width=4, ranks=(), shortcuts=2, steps=5, passes_from=3, ramp=2, batch_size=4)


def _recogniser() -> CropRecogniser:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 16))
    return CropRecogniser(network, np.array([[0.5, 0, 0], [0, 0.5, 0]]), (64, 64), 1.0, 0.0)


@pytest.fixture
def start(faces: FaceData) -> Callable[..., GeneratorTraining]:
    labels = np.maximum(faces.labels, 0)
    known = FaceData(faces.crops, faces.names, faces.identities, labels, faces.sources)

    def build(out: Path, begin: Generator | None = None, **changed: Any) -> GeneratorTraining:
        torch.manual_seed(1)
        options = replace(TINY, **changed)
        return GeneratorTraining(known, out, options, [_recogniser()], begin)

    return build


@dataclass
class _Values:
    """The losses of every step; ends the run like a kill after one of them."""

    stop: int | None = None
    of: dict[int, dict[str, float]] = field(default_factory=dict)

    def __call__(self, step: int, steps: int, text: str) -> None:
        assert steps == TINY.steps
        self.of[step] = {name: float(value) for name, value in re.findall(r"(\w+) (\S+)", text)}
        if step == self.stop:
            raise KeyboardInterrupt


def test_both_stages_run_and_change_the_networks(start: Callable[..., GeneratorTraining], tmp_path: Path) -> None:
    training, values = start(tmp_path), _Values()
    before = {k: v.clone() for k, v in training.generator.state_dict().items()}
    network = training.run(values)
    assert list(values.of) == [1, 2, 3, 4, 5]
    assert all(np.isfinite(v) for step in values.of.values() for v in step.values())
    assert set(values.of[3]) == {"alone"}
    assert set(values.of[4]) == {"alone", "kept", "shown", "smooth", "move", "g", "d"}
    changed = [not torch.equal(v, before[k]) for k, v in training.generator.named_parameters()]
    assert all(changed)
    assert not network.training
    with PillowImage.open(tmp_path / "samples-000005.png") as grid:
        assert grid.width == 10 * 128
        assert grid.height % 128 == 0
    assert json.loads((tmp_path / "curves.json").read_text()) == []


def test_it_goes_on_after_a_kill(start: Callable[..., GeneratorTraining], tmp_path: Path) -> None:
    first = start(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        first.run(_Values(stop=4), save_every=2)
    state = checkpoint.load(tmp_path / "attgan.pt")
    assert state is not None
    assert state["step"] == 2

    second, values = start(tmp_path), _Values()
    assert second.step == 2
    for name in ("generator", "average", "discriminator"):
        loaded = second._parts()[name].state_dict()
        assert all(torch.equal(v, state[name][k]) for k, v in loaded.items()), name
    assert second.g_optimiser.state_dict()["state"].keys() == state["g_optimiser"]["state"].keys()
    second.run(values)
    assert list(values.of) == [3, 4, 5]


def test_a_finished_run_is_not_run_again(start: Callable[..., GeneratorTraining], tmp_path: Path) -> None:
    network = start(tmp_path).run()
    values = _Values()
    again = start(tmp_path).run(values)
    assert values.of == {}
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in network.state_dict().items())


def test_warm_start_is_the_same_generator_at_first(start: Callable[..., GeneratorTraining], tmp_path: Path) -> None:
    torch.manual_seed(2)
    shipped = Generator(4, ranks=(8,)).eval()
    images, sets = torch.rand(2, 3, 128, 128) * 2 - 1, torch.rand(2, 13)
    for shortcuts in (1, 4):
        training = start(tmp_path, shipped, ranks=[8], shortcuts=shortcuts)
        assert training.generator.shortcuts == shortcuts
        torch.testing.assert_close(training.generator.eval()(images, sets), shipped(images, sets))


@pytest.mark.parametrize("begin", [Generator(8), Generator(4, ranks=(8,)), Generator(4, shortcuts=3)], ids=["width", "ranks", "shortcuts"])
def test_another_generator_is_no_start(begin: Generator, start: Callable[..., GeneratorTraining], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"at most width 4, ranks \[\] and 2 shortcuts to start with, got width \d"):
        start(tmp_path, begin)


def test_the_recognisers_move_a_face(start: Callable[..., GeneratorTraining], tmp_path: Path) -> None:
    training = start(tmp_path)
    _, images, _ = training.lessons.batch(4)
    rng, margin = training.lessons.rng, training.options.margin
    near, far = (training.recognisers.moved(images, new, rng, margin) for new in (images, images.flip(0)))
    assert far < near <= 1.0
    edited = images.clone().requires_grad_(True)
    training.recognisers.moved(images, edited, rng, margin).backward()
    assert edited.grad is not None
    assert edited.grad.abs().sum() > 0


def test_two_passes_are_asked_for_no_beard_and_leave_gender(start: Callable[..., GeneratorTraining], tmp_path: Path) -> None:
    training = start(tmp_path)
    faces = np.arange(30)
    sets, goal = training.lessons.lesson(faces)
    asked = dict(zip(ATTRIBUTES, sets.T.tolist(), strict=True))
    assert not any(asked["Mustache"])
    assert not any(asked["No_Beard"])
    assert (torch.sign(sets[:, ATTRIBUTES.index("Male")]).numpy() == -training.lessons.labels(faces)[:, ATTRIBUTES.index("Male")]).all()
    assert goal.shape == (30, 3, 128, 128)


def test_recogniser_of_the_product_is_the_gates(hopper: np.ndarray, officer: object, embedder: object) -> None:
    """What training leads away from and what the gate measures agree, and gradients flow."""
    from deid.imaging.alignment import align
    from deid.training.classifier import to_tensor
    from deid.training.recognisers import dlib_recogniser

    crop = align(hopper, officer).crop  # type: ignore[arg-type]
    images = to_tensor(crop[None]).requires_grad_(True)
    row = dlib_recogniser()(images)
    expected = embedder.embed(crop[None])  # type: ignore[attr-defined]
    assert np.linalg.norm(row.detach().numpy() - expected) < 0.06
    row[0, 0].backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_one_colour_of_hair_gives_way_to_another() -> None:
    black, brown, bangs = (ATTRIBUTES.index(a) for a in ("Black_Hair", "Brown_Hair", "Bangs"))
    shown, amounts = np.zeros((3, len(ATTRIBUTES)), np.float32) - 1, np.zeros((3, len(ATTRIBUTES)))
    shown[0, black] = shown[1, brown] = shown[2, black] = 1
    amounts[0, brown], amounts[1, brown], amounts[2, bangs] = 3, -3, 3
    make_room(amounts, shown)
    assert amounts[:, black].tolist() == [-1, 1, 0]
    assert amounts[:, brown].tolist() == [3, -3, 0]


def test_learning_slows_down_within_each_stage(start: Callable[..., GeneratorTraining], tmp_path: Path) -> None:
    training = start(tmp_path, steps=800, passes_from=400, edit_learning_rate=1.0, learning_rate=0.5)
    rates = []
    for training.step in range(800):
        training._pace()
        rates.append((training.g_optimiser.param_groups[0]["lr"], training.adversary.optimiser.param_groups[0]["lr"]))
    generator, discriminator = np.array(rates).T
    assert generator[[0, 400]] == pytest.approx([0.01, 0.005])
    assert generator[[100, 500]] == pytest.approx([0.9, 0.45], rel=0.05)
    assert generator[[399, 799]] == pytest.approx([0.1, 0.05], rel=0.01)
    np.testing.assert_allclose(discriminator, 2 * generator)


def test_a_single_edit_asks_for_few_attributes_and_shows_them(start: Callable[..., GeneratorTraining], tmp_path: Path) -> None:
    training = start(tmp_path)
    faces = np.arange(30)
    changed, painted = training.lessons.single_edits(faces)
    moved = changed != 0
    assert (changed.sign() == -torch.from_numpy(training.lessons.labels(faces)))[moved].all()
    flips = moved.sum(dim=1)
    assert set(flips.tolist()) == {0, 1, 2}
    assert 0.6 < flips.float().mean() < 1.4
    assert changed.abs().max() <= RANGE
    assert painted.shape == (30, 3, 128, 128)
    assert painted.abs().max() <= 1
