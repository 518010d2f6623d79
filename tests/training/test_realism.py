"""The critic's training: damage is damage, and a photo as it may well be is none."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from deid.models.attgan import Generator
from deid.training import realism
from deid.training.classifier import to_tensor
from deid.training.data import FaceData
from deid.training.realism import DAMAGE, RealismOptions


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(4).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Smooth pictures, all different."""
    coarse = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, 128, mode="bilinear")


@pytest.mark.parametrize("name", sorted(DAMAGE))
def test_every_kind_of_damage_changes_every_image(name: str, images: torch.Tensor) -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        wrong = DAMAGE[name](images, np.random.default_rng(seed))
        assert wrong.shape == images.shape
        assert torch.isfinite(wrong).all()
        change = (wrong - images).abs().flatten(1).max(dim=1).values
        assert (change > 0.02).all()


def test_harmless_changes_stay_small(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    changed = realism._harmless(images, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.min() >= -1
    assert changed.max() <= 1
    assert (changed - images).abs().mean() < 0.2


@pytest.mark.parametrize("n", [1, 3, 8])
def test_a_whole_batch_is_damaged(n: int, images: torch.Tensor) -> None:
    torch.manual_seed(0)
    wrong = realism.damage(images[:n], np.random.default_rng(0))
    assert wrong.shape == (n, 3, 128, 128)
    assert wrong.min() >= -1
    assert wrong.max() <= 1
    assert ((wrong - images[:n]).abs().flatten(1).max(dim=1).values > 0.01).all()


def test_a_few_steps(faces: FaceData, generator: Generator, tmp_path: Path) -> None:
    steps: list[int] = []
    options = RealismOptions(width=4, steps=3, batch_size=4)
    network = realism.train(faces, generator, tmp_path, options, lambda step, total, text: steps.append(step))
    assert steps == [1, 2, 3]
    rates = json.loads((tmp_path / "realism.json").read_text())
    assert set(rates) == {"photos refused", "overdriven passed", *(f"{kind} passed" for kind in DAMAGE)}
    assert all(0 <= rate <= 1 for rate in rates.values())
    with torch.inference_mode():
        assert network(to_tensor(faces.crops[:2])).shape == (2,)
