"""Training of the attribute classifier."""

import copy
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deid.core.attributes import ATTRIBUTES
from deid.models.attributes import AttributeClassifier
from deid.training import checkpoint
from deid.training.data import FaceData
from deid.training.precision import autocast

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """Settings of a run.

    Args:
        width: channels after the first stage.
        epochs: passes over the faces that have labels.
        batch_size: faces a step.
        learning_rate: of Adam, cosine to zero.
        seed: of weights, order and augmentation.
        device: where it runs.
    """

    width: int = 32
    epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 2e-3
    seed: int = 0
    device: str = "cpu"


def to_tensor(crops: NDArray[np.uint8]) -> Tensor:
    """Crops (N, 128, 128, 3) uint8 to network input (N, 3, 128, 128) float32 in [-1, 1]."""
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def augment(images: Tensor, rng: torch.Generator) -> Tensor:
    """Mirror half of the images, shift each by up to 4 px, change brightness and contrast, blur some."""
    n = len(images)
    images = torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.5, images.flip(3), images)
    dy, dx = torch.randint(-4, 5, (2,), generator=rng).tolist()
    images = torch.roll(images, (dy, dx), (2, 3))
    gain = 1 + 0.25 * torch.randn(n, 1, 1, 1, generator=rng).clamp(-2, 2)
    bias = 0.15 * torch.randn(n, 1, 1, 1, generator=rng)
    coarse = functional.interpolate(functional.avg_pool2d(images, 2), scale_factor=2, mode="bilinear")
    images = torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.3, coarse, images)
    return (images * gain + bias).clamp(-1, 1)


def train(
    data: FaceData, out: Path, options: ClassifierOptions, progress: Callable[[int, int, str], None] | None = None
) -> AttributeClassifier:
    """Train on every face of the training split that has a label; goes on from ``out/attributes.pt``.

    Returns:
        The average of the weights (EMA), in evaluation mode. ``out/attributes.json`` holds the accuracy per attribute.
    """
    torch.manual_seed(options.seed)
    rng = torch.Generator().manual_seed(options.seed)
    train_set = data.split("train")
    train_set = train_set.where(np.flatnonzero((train_set.labels >= 0).any(axis=1)))
    network = AttributeClassifier(options.width).to(options.device).to(memory_format=torch.channels_last)
    average: AttributeClassifier = copy.deepcopy(network).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=1e-3)
    steps = max(1, len(train_set) // options.batch_size) * options.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=steps)
    step, state = 0, checkpoint.load(out / "attributes.pt")
    if state:
        step = state["step"]
        for part, name in ((network, "network"), (average, "average"), (optimiser, "optimiser"), (schedule, "schedule")):
            part.load_state_dict(state[name])
        rng.set_state(state["rng"])
    labels = torch.from_numpy(train_set.labels.astype(np.float32))
    network.train()
    while step < steps:
        pick = torch.randint(len(train_set), (options.batch_size,), generator=rng)
        images = augment(to_tensor(train_set.crops[pick.numpy()]), rng).to(options.device)
        target = labels[pick].to(options.device)
        with autocast(options.device):
            logits = network(images.contiguous(memory_format=torch.channels_last))
        loss = _loss(logits.float(), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        step += 1
        ema(average, network, min(0.995, step / (step + 10)))
        if progress:
            progress(step, steps, f"loss {loss.item():.3f}")
        if step % 100 == 0 or step == steps:
            parts: dict[str, Any] = {"network": network, "average": average, "optimiser": optimiser, "schedule": schedule}
            checkpoint.save(out / "attributes.pt", {k: v.state_dict() for k, v in parts.items()} | {"step": step, "rng": rng.get_state()})
    scores = accuracy(average, data.split("validation"))
    (out / "attributes.json").write_text(json.dumps(scores, indent=2))
    log.info("validation accuracy %s", scores)
    return average


def _loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross entropy of logits (N, 13) over the attributes that are labelled 0 or 1; a label under 0 is unknown."""
    each = functional.binary_cross_entropy_with_logits(logits, target.clamp(min=0), reduction="none")
    return (each * (target >= 0)).sum() / (target >= 0).sum().clamp(min=1)


def ema(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Move an average of weights and buffers towards the network."""
    with torch.no_grad():
        own = dict(network.state_dict())
        for name, value in average.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(own[name].float(), 1 - decay)
            else:
                value.copy_(own[name])


@torch.inference_mode()
def predict(network: AttributeClassifier, crops: NDArray[np.uint8], batch_size: int = 128) -> NDArray[np.float32]:
    """Logits (N, 13) of crops (N, 128, 128, 3)."""
    device = next(network.parameters()).device
    parts = [network(to_tensor(crops[i : i + batch_size]).to(device)).cpu() for i in range(0, len(crops), batch_size)]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def accuracy(network: AttributeClassifier, data: FaceData) -> dict[str, float]:
    """Share of right answers per attribute over the faces that have its label, and their mean."""
    right = (predict(network, data.crops) > 0) == (data.labels > 0)
    known = data.labels >= 0
    scores = {a: float(right[known[:, j], j].mean()) for j, a in enumerate(ATTRIBUTES) if known[:, j].any()}
    return scores | {"mean": float(np.mean(list(scores.values())))}


def fill_labels(network: AttributeClassifier, data: FaceData) -> FaceData:
    """The same faces with every unknown label replaced by what the network sees."""
    seen = (predict(network, data.crops) > 0).astype(np.int8)
    return replace(data, labels=np.where(data.labels >= 0, data.labels, seen).astype(np.int8))
