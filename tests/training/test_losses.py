"""Losses at points where their value is known."""

import math

import numpy as np
import pytest
import torch
from facenet_pytorch.models.mtcnn import ONet
from torch import Tensor

from deid.align import align
from deid.structures import Detection, Image
from deid.training import losses
from deid.training.classifier import to_tensor

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


LN2 = math.log(2)
# Name: (logits, labels, loss).
ATTRIBUTES: dict[str, tuple[list[float], list[float], float]] = {
    "undecided": ([0, 0], [1, -1], LN2),
    "right and sure": ([50, -50], [1, -1], 0.0),
    "wrong and sure": ([50, -50], [-1, 1], 50.0),
    "unknown does not count": ([0, 50], [1, 0], LN2),
    "nothing known": ([3, 4], [0, 0], 0.0),
}


@pytest.mark.parametrize(("logits", "labels", "expected"), ATTRIBUTES.values(), ids=ATTRIBUTES.keys())
def test_attribute_loss(logits: list[float], labels: list[float], expected: float) -> None:
    value = losses.attribute_loss(torch.tensor([logits]), torch.tensor([labels])).item()
    assert value == pytest.approx(expected, abs=1e-6)


def test_a_hint_weighs_less_than_a_demand() -> None:
    logits, labels = torch.tensor([[10.0, 0.0]]), torch.tensor([[-1.0, 1.0]])
    whole = losses.attribute_loss(logits, labels).item()
    hint = losses.attribute_loss(logits, labels * torch.tensor([0.1, 1.0])).item()
    assert hint < whole / 2


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


@pytest.fixture(scope="module")
def crops(astronaut: Image, woman: Detection, hopper: Image, officer: Detection) -> Tensor:
    return to_tensor(np.stack([align(astronaut, woman).crop, align(hopper, officer).crop]))


def test_landmarker_sees_faces_and_where_they_are(crops: Tensor) -> None:
    landmarker = losses.Landmarker(ONet())
    points, probability = landmarker(crops)
    assert points.shape == (2, 10)
    assert (probability > 0.9).all()
    # facenet-pytorch gives x of the five points, then y; the eyes are level in an aligned crop, and the mouth is below them.
    assert (points[:, 0] < points[:, 1]).all()
    assert ((points[:, 5] - points[:, 6]).abs() < 0.08).all()
    assert (points[:, 8] > points[:, 5] + 0.2).all()
    noise = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert (landmarker(noise)[1] < 0.5).all()


def test_landmarker_leads_the_image_and_stays_as_it_is(crops: Tensor) -> None:
    landmarker = losses.Landmarker(ONet())
    images = crops.clone().requires_grad_(True)
    points, probability = landmarker(images)
    (points.sum() + probability.sum()).backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in landmarker.parameters())
