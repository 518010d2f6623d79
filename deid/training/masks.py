"""What the trainings of networks that find masks in faces share: faces, how a camera may take them, and the run itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

from deid.core.errors import DataError
from deid.models.masks import MaskFinder
from deid.training.classifier import ema
from deid.training.data import load as faces_of
from deid.training.data import pictures

#: Things are drawn on crops of this side.
SIDE = 256
_Network = TypeVar("_Network", bound=MaskFinder)
Lesson = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class FinderOptions:
    """Settings of a run.

    Args:
        width: channels of the network at full size.
        steps: how many.
        batch_size: faces a step.
        plain: share of the faces on which nothing is drawn.
        learning_rate: of AdamW, one cycle.
        seed: of weights, order and drawing.
        device: where it runs.
    """

    width: int = 8
    steps: int = 1000
    batch_size: int = 12
    plain: float = 0.25
    learning_rate: float = 3e-3
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces on which something is drawn.

    Args:
        crops: (N, s, s, 3) uint8 RGB.
        points: (N, 68, 2) landmarks in pixels of 256.
    """

    crops: NDArray[np.uint8]
    points: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.crops)


def photos(data: Path, cache: Path, source: str) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Aligned photos (N, 128, 128, 3) of the training people of a data set, and their names."""
    faces = faces_of(data, cache).split("train")
    own = faces.where(faces.sources == source)
    return own.crops, own.names


def portraits(data: Path, side: int = SIDE) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Names and pictures (side, side, 3) of portraits of nobody and of officials."""
    for name in ("portraits", "officials"):
        for file, read in pictures(data, f"{name}.tar", name):
            yield file, resized(np.asarray(Pillow.open(BytesIO(read())).convert("RGB")), side, cv2.INTER_AREA)


def resized(picture: NDArray[np.uint8], side: int, how: int) -> NDArray[np.uint8]:
    """A picture at (side, side)."""
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), np.uint8)


def aligned_otherwise(rng: np.random.Generator) -> NDArray[np.float64]:
    """(2, 3): a map of a crop to one that alignment by other landmarks would make, mirrored or not."""
    turn = np.asarray(cv2.getRotationMatrix2D((128, 112), rng.normal(0, 5), rng.uniform(0.9, 1.1)), np.float64)
    turn[:, 2] = turn[:, 2] + rng.normal(0, 5, 2)
    return turn @ np.array([[-1.0, 0, SIDE - 1], [0, 1, 0], [0, 0, 1]]) if rng.random() < 0.5 else turn


def moved(
    picture: NDArray[np.uint8], masks: NDArray[np.float32], turn: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A crop (256, 256, 3) and its masks (256, 256, M) through a map (2, 3)."""
    shown, covered = (cv2.warpAffine(a, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT) for a in (picture, masks))
    return np.asarray(shown, np.uint8), np.asarray(covered, np.float32)


def taken(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture (256, 256, 3) as a camera may take it: in other light, smaller, with noise, compressed."""
    light = rng.uniform(0.6, 1.35) * rng.uniform(0.85, 1.15, 3)
    shown = 255 * np.clip(picture / 255 * light + rng.normal(0, 0.06), 0, 1) ** rng.uniform(0.7, 1.4)
    if rng.random() < 0.08:
        shown = np.repeat(shown.mean(axis=2, keepdims=True), 3, axis=2)
    side = int(rng.integers(70, 257))
    small = cv2.resize(shown.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    small = small + rng.normal(0, rng.uniform(0, 8), (side, side, 3))
    coded = np.clip(small, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        _, data = cv2.imencode(".jpg", coded, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))])
        coded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.resize(coded, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def fitted(
    make: Callable[[int], _Network],
    lessons: Callable[[np.random.Generator], Lesson],
    options: FinderOptions,
    progress: Callable[[int, int, str], None] | None = None,
) -> _Network:
    """Train a network of this width on images, their masks, and how much each pixel counts.

    Returns:
        The average of the weights (EMA), in evaluation mode.
    """
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    # Channels last: more than twice as fast on a CPU.
    network = make(options.width).to(options.device).to(memory_format=torch.channels_last)
    average = make(options.width).to(options.device).eval().requires_grad_(False)
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=options.steps)
    for step in range(options.steps):
        images, masks, counts = (part.to(options.device) for part in lessons(rng))
        loss = _loss(network(images.contiguous(memory_format=torch.channels_last)), masks, counts)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        ema(average, network, min(0.995, step / (step + 10)))
        if progress:
            progress(step + 1, options.steps, f"loss {loss.item():.3f}")
    return average


def _loss(logits: Tensor, masks: Tensor, counts: Tensor) -> Tensor:
    """Cross entropy, and one minus Dice of each mask: what is sought may be a hundredth of the pixels."""
    said, true = logits.sigmoid() * counts, masks * counts
    both = (said * masks).sum(dim=(0, 2, 3))
    dice = (2 * both + 1) / (said.sum(dim=(0, 2, 3)) + true.sum(dim=(0, 2, 3)) + 1)
    return 4 * (functional.binary_cross_entropy_with_logits(logits, masks, reduction="none") * counts).mean() + (1 - dice).mean()


def to_fields(masks: NDArray[np.float32]) -> Tensor:
    """Masks (N, H, W, M) as a tensor (N, M, H, W)."""
    return torch.from_numpy(masks).permute(0, 3, 1, 2)


@torch.inference_mode()
def seen_by(network: MaskFinder, images: Tensor, device: str) -> Tensor:
    """(N, M, H, W) of bool: where a network sees what it looks for."""
    return torch.cat([network(part.to(device)).sigmoid().cpu() for part in torch.split(images, 24)]) > 0.5


def rates(name: str, said: Tensor, masks: Tensor) -> dict[str, float]:
    """Precision and recall of the pixels of a mask."""
    true = masks > 0.5
    both = (said & true).sum()
    return {f"{name} precision": float(both / said.sum().clamp(1)), f"{name} recall": float(both / true.sum())}


def check(faces: Faces, exam: Faces, without: str) -> None:
    """Refuse empty sets of faces.

    Raises:
        DataError: one is empty.
    """
    if not len(faces) or not len(exam):
        raise DataError(f"expected faces without {without} to train on and to test with, got none")
