"""Training of the realism critic: photos against the typical faults of edits.

The wrong faces are made here: noise, cross-hatching, smears, mosaics, parts in the wrong place. The generator's own edits are
not among them: a critic that has seen them knows its hand and refuses every edit, the good ones too (tried).
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deid.core.attributes import ATTRIBUTES
from deid.editing.sampler import sample_sets
from deid.models.attgan import Generator, inverted
from deid.models.realism import RealismCritic
from deid.training.classifier import ema, to_tensor
from deid.training.data import FaceData

log = logging.getLogger(__name__)
_MALE = ATTRIBUTES.index("Male")


@dataclass(frozen=True, slots=True)
class RealismOptions:
    """Settings of a run.

    Args:
        width: channels of the first convolution.
        steps: how many.
        batch_size: photos a step; as many wrong faces stand beside them.
        learning_rate: of AdamW, one cycle.
        seed: of weights, order and damage.
        device: where it runs.
    """

    width: int = 24
    steps: int = 700
    batch_size: int = 24
    learning_rate: float = 2e-3
    seed: int = 0
    device: str = "cpu"


def train(
    data: FaceData, generator: Generator, out: Path, options: RealismOptions, progress: Callable[[int, int, str], None] | None = None
) -> RealismCritic:
    """Train on the training split; ``out/realism.json`` holds the error rates per kind of damage on the validation split.

    Returns:
        The average of the weights (EMA), in evaluation mode.
    """
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    photos = data.split("train")
    network = RealismCritic(options.width).to(options.device)
    average = RealismCritic(options.width).to(options.device).eval().requires_grad_(False)
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=options.steps)
    for step in range(options.steps):
        pick = rng.integers(len(photos), size=2 * options.batch_size)
        images = to_tensor(photos.crops[pick]).to(options.device)
        real, source = _harmless(images[: options.batch_size], rng), images[options.batch_size :]
        wrong = damage(source, rng)
        both = torch.cat([real, wrong])
        target = torch.cat([torch.full((len(real),), 0.95), torch.full((len(wrong),), 0.05)]).to(options.device)
        loss = functional.binary_cross_entropy_with_logits(network(both), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        ema(average, network, min(0.99, step / (step + 10)))
        if progress:
            progress(step + 1, options.steps, f"loss {loss.item():.3f}")
    out.mkdir(parents=True, exist_ok=True)
    (out / "realism.json").write_text(json.dumps(error_rates(average, generator, data.split("validation"), options.seed), indent=2))
    return average


def _harmless(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Photos as they may well be: a little soft, a little noisy, brighter or darker."""
    n = len(images)
    soft = functional.interpolate(functional.avg_pool2d(images, 2), scale_factor=2, mode="bilinear")
    share = torch.from_numpy(rng.uniform(0, 1, (n, 1, 1, 1)).astype(np.float32) * (rng.random((n, 1, 1, 1)) < 0.5)).to(images)
    images = images * (1 - share) + soft * share
    gain = torch.from_numpy(rng.uniform(0.7, 1.2, (n, 1, 1, 1)).astype(np.float32)).to(images)
    noise = torch.randn_like(images) * 0.02 * float(rng.random() < 0.5)
    return (images * gain + noise).clamp(-1, 1)


def _noise(images: Tensor, rng: np.random.Generator) -> Tensor:
    return images + torch.randn_like(images) * float(rng.uniform(0.12, 0.5))


def _hatch(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Crossed waves of 2 to 8 px, as a generator paints them when only distance counts."""
    h, w = images.shape[2:]
    ys, xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    pattern = torch.zeros(h, w)
    for _ in range(2):
        angle, period = rng.uniform(0, np.pi), rng.uniform(2, 8)
        pattern += torch.sin(2 * np.pi / period * (xs * np.cos(angle) + ys * np.sin(angle)) + rng.uniform(0, 6.3)).float()
    tint = torch.from_numpy(rng.uniform(0.4, 1, (1, 3, 1, 1)).astype(np.float32)).to(images)
    return images + float(rng.uniform(0.08, 0.3)) * tint * pattern.to(images)


def _smear(images: Tensor, rng: np.random.Generator) -> Tensor:
    """A patch over eyes, nose or mouth blurred away."""
    sigma = float(rng.uniform(3, 8))
    axis = torch.arange(-16, 17, dtype=torch.float32)
    kernel = torch.exp(-(axis**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).to(images)
    blurred = functional.conv2d(images, kernel.view(1, 1, 1, -1).expand(3, 1, 1, 33), padding=(0, 16), groups=3)
    blurred = functional.conv2d(blurred, kernel.view(1, 1, -1, 1).expand(3, 1, 33, 1), padding=(16, 0), groups=3)
    ys, xs = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    cy, cx = rng.uniform(50, 98), rng.uniform(46, 82)
    mask = torch.exp(-((((ys - cy) / rng.uniform(12, 40)) ** 2 + ((xs - cx) / rng.uniform(16, 40)) ** 2) ** 2)).to(images)
    return images * (1 - mask) + blurred * mask


def _mosaic(images: Tensor, rng: np.random.Generator) -> Tensor:
    small = functional.adaptive_avg_pool2d(images, int(rng.integers(12, 44)))
    return functional.interpolate(small, size=images.shape[2:], mode="nearest")


def _crossed(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Eyes or mouth from somewhere else, hard-edged: a second nose, an eye on the cheek."""
    out = images.clone()
    h, w = int(rng.integers(16, 36)), int(rng.integers(16, 48))
    y, x = int(rng.integers(36, 116 - h)), int(rng.integers(24, 104 - w))
    sy, sx = int(rng.integers(36, 116 - h)), int(rng.integers(24, 104 - w))
    out[:, :, y : y + h, x : x + w] = images.roll(1, 0)[:, :, sy : sy + h, sx : sx + w]
    return out


DAMAGE: dict[str, Callable[[Tensor, np.random.Generator], Tensor]] = {
    "crossed": _crossed,
    "hatch": _hatch,
    "mosaic": _mosaic,
    "noise": _noise,
    "smear": _smear,
}


@torch.no_grad()
def _overdriven(images: Tensor, male: NDArray[np.bool_], generator: Generator, rng: np.random.Generator) -> Tensor:
    """Both passes with attribute sets three to five times as wide as the range."""
    sets = np.stack([sample_sets(bool(m), 1, rng, float(rng.uniform(3.0, 5.0)))[0] for m in male])
    a = torch.from_numpy(sets).to(images)
    edited: Tensor = generator(generator(images, a), inverted(a))
    return edited


def damage(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Every image of a batch damaged in one of the ways."""
    kinds = list(DAMAGE)
    parts = [DAMAGE[kinds[int(rng.integers(len(kinds)))]](chunk, rng) for chunk in torch.split(images, 3)]
    return torch.cat(parts).clamp(-1, 1)


@torch.inference_mode()
def error_rates(network: RealismCritic, generator: Generator, data: FaceData, seed: int, n: int = 200) -> dict[str, float]:
    """Share of photos refused and, per kind of damage, of wrong faces let through, at a score of 0.5."""
    rng = np.random.default_rng(seed)
    pick = rng.permutation(len(data))[:n]
    images = to_tensor(data.crops[pick])
    male = data.labels[pick, _MALE] > 0
    rates = {"photos refused": float((network(images) < 0).float().mean())}
    for name, kind in DAMAGE.items():
        rates[f"{name} passed"] = float((network(kind(images, rng).clamp(-1, 1)) > 0).float().mean())
    rates["overdriven passed"] = float((network(_overdriven(images, male, generator, rng)) > 0).float().mean())
    return rates
