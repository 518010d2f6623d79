"""Reconstruction: a network is trained on other people to undo the method, then a recogniser compares."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from deid.core.types import Crops
from evaluation.attacks.case import Attack, Case, Search

_SIDE, _BATCH, _WIDTH = 64, 16, 32
#: Weight of the recogniser's cosine beside the mean absolute error of pixels: identity is what the attacker is after.
_IDENTITY_WEIGHT = 0.5


class Restorer(nn.Module):
    """A small U-Net (O. Ronneberger et al., 2015) from de-identified to untouched crops, 64 px, in [-1, 1]."""

    def __init__(self, width: int = _WIDTH) -> None:
        super().__init__()
        w = (width, 2 * width, 4 * width)
        self.down = nn.ModuleList([_block(3, w[0]), _block(w[0], w[1]), _block(w[1], w[2])])
        self.bottom = _block(w[2], w[2])
        self.up = nn.ModuleList([_block(2 * w[2], w[1]), _block(2 * w[1], w[0]), _block(2 * w[0], w[0])])
        self.last = nn.Conv2d(w[0], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 64, 64) to the same shape: what is added to the input is learned."""
        maps, y = [], x
        for block in self.down:
            y = block(y)
            maps.append(y)
            y = functional.avg_pool2d(y, 2)
        y = self.bottom(y)
        for block in self.up:
            y = functional.interpolate(y, scale_factor=2.0, mode="nearest")
            y = block(torch.cat([y, maps.pop()], dim=1))
        return torch.tanh(self.last(y) + x)


def _block(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(),
        nn.Conv2d(n_out, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(),
    )  # fmt: skip


def reconstruction(case: Case) -> Attack:
    """The gallery holds untouched photos, the probe is de-identified and then restored."""
    restore = train_restorer(case.train.after, case.train.before, case.steps, case.seed, case.tick)
    test = case.test
    note = f"restored by a network trained {case.steps} steps on {len(case.train.before)} photos of other people"
    search, control = Search(test.before, restore(test.after)), Search(test.before, test.before)
    floor, blank = Search(test.before, test.covered), Search(test.before, test.blank)
    return Attack("reconstruction", search, control, floor, blank, note=note)


def train_restorer(after: Crops, before: Crops, steps: int, seed: int, tick: Callable[[], None] = lambda: None) -> Callable[[Crops], Crops]:
    """Learn to undo a method.

    Args:
        after: (N, 128, 128, 3) de-identified crops.
        before: (N, 128, 128, 3) the untouched ones.
        steps: of Adam, 16 pairs each, mirrored at random.
        seed: of the weights and the order.
        tick: called after each step.

    Returns:
        A function from de-identified crops to restored ones, both (M, 128, 128, 3).
    """
    from deid.training.recognisers import dlib_recogniser

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, recogniser = Restorer(), dlib_recogniser()
    source, target = _to_tensor(after), _to_tensor(before)
    with torch.inference_mode():
        identity = torch.cat([recogniser(_enlarge(part)) for part in _batches(target)])
    identity = identity.clone()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = torch.from_numpy(rng.integers(0, len(source), _BATCH))
        _step(network, recogniser, optimiser, (source[rows], target[rows], identity[rows]), bool(rng.random() < 0.5))
        schedule.step()
        tick()
    network.eval()

    @torch.inference_mode()
    def restore(crops: Crops) -> Crops:
        parts = [_enlarge(network(part)) for part in _batches(_to_tensor(crops))]
        pixels = ((torch.cat(parts) + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1)
        return np.ascontiguousarray(pixels.numpy().astype(np.uint8))

    return restore


def _step(
    network: nn.Module, recogniser: nn.Module, optimiser: torch.optim.Optimizer, batch: tuple[Tensor, Tensor, Tensor], mirrored: bool
) -> None:
    source, target, identity = batch
    if mirrored:
        source, target = source.flip(3), target.flip(3)
    restored = network(source)
    cosine = (recogniser(_enlarge(restored)) * identity).sum(dim=1).mean()
    loss = functional.l1_loss(restored, target) + _IDENTITY_WEIGHT * (1 - cosine)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _to_tensor(crops: Crops) -> Tensor:
    images = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).float() / 127.5 - 1.0
    return functional.avg_pool2d(images, crops.shape[1] // _SIDE)


def _enlarge(images: Tensor) -> Tensor:
    return functional.interpolate(images, size=(128, 128), mode="bilinear", align_corners=False)


def _batches(images: Tensor) -> Iterator[Tensor]:
    for start in range(0, len(images), _BATCH):
        yield images[start : start + _BATCH]
