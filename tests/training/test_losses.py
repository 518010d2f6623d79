"""Losses at points where their value is known."""

import math

import pytest
import torch

from deid.training import losses

# Name: (real, fake, discriminator's loss, generator's loss).
ADVERSARIAL: dict[str, tuple[list[float], list[float], float, float]] = {
    "undecided": ([0, 0], [0, 0], 1.0, 1.0),
    "as it shall be": ([1, 1], [0, 0], 0.0, 4.0),
    "the other way round": ([0, 0], [1, 1], 4.0, 0.0),
    "a common shift does not count": ([8, 8], [7, 7], 0.0, 4.0),
    "too sure": ([3, 3], [0, 0], 4.0, 16.0),
    "spread around its mean": ([2, 0], [0, 0], 1.0 / 2, 9.0 / 2),
}


@pytest.mark.parametrize(("real", "fake", "critic", "editor"), ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_adversarial(real: list[float], fake: list[float], critic: float, editor: float) -> None:
    assert losses.adversarial_discriminator(torch.tensor(real), torch.tensor(fake)).item() == pytest.approx(critic)
    assert losses.adversarial_generator(torch.tensor(real), torch.tensor(fake)).item() == pytest.approx(editor)


def test_adversarial_gradients_pull_apart() -> None:
    real, fake = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    losses.adversarial_discriminator(real, fake).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()


REPEL: dict[str, tuple[float, float, float]] = {
    "same": (1.0, 0.8, 1.0),
    "at the margin": (0.8, 0.8, 0.0),
    "half way": (0.9, 0.8, 0.5),
    "orthogonal": (0.0, 0.1, 0.0),
    "opposite": (-1.0, 0.1, 0.0),
}


@pytest.mark.parametrize(("cosine", "margin", "expected"), REPEL.values(), ids=REPEL.keys())
def test_repel(cosine: float, margin: float, expected: float) -> None:
    source = torch.tensor([[1.0, 0.0]])
    edited = torch.tensor([[cosine, math.sqrt(1 - cosine**2)]])
    assert losses.repel(source, edited, margin).item() == pytest.approx(expected, abs=1e-6)


def test_only_what_is_fine_is_detail() -> None:
    rows, columns = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    board = ((rows + columns) % 2 * 2.0 - 1).expand(1, 3, -1, -1)
    ramp = (rows / 64.0 - 1).expand(1, 3, -1, -1)
    assert losses.detail(board).item() == pytest.approx(1.0)
    assert losses.detail(ramp).item() < 0.002
    assert losses.detail(board + ramp).item() == pytest.approx(1.0, abs=0.002)
