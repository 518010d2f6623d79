"""BlurNet and SharpNet: two MobileNetV2 trained to embed a blurred and a sharp photo of one person alike.

M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018; F. Schroff, D. Kalenichenko,
J. Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015 (triplet loss).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import mobilenet_v2

from deid.core.types import Crops, Embeddings
from deid.editing import filters
from deid.imaging.template import SIZE

#: Input in pixels, and length of the embedding.
SIDE, DIMENSIONS = 64, 128
MARGIN = 1.0
_BATCH, _RATE = 32, 1e-3
#: From the brows to the chin of an aligned crop: x0, y0 and side.
_FACE_WINDOW = (26, 36, 76)


@dataclass(frozen=True, slots=True)
class Variant:
    """How the pictures that the streams learn from are made of aligned crops.

    Args:
        sigmas: range of the blur in pixels of the crop; equal ends mean one blur.
        least_window: least side of a random square window, as a share of the crop; 1 means the whole crop.
        tight: whether the crop is cut down to the face first.
    """

    sigmas: tuple[float, float]
    least_window: float = 1.0
    tight: bool = False


class TwoStreams(nn.Module):
    """The two networks; nothing is shared but the space that they embed into."""

    def __init__(self) -> None:
        super().__init__()
        self.sharp, self.blurred = (mobilenet_v2(weights=None, num_classes=DIMENSIONS, dropout=0.0) for _ in range(2))

    def forward(self, sharp: Tensor, blurred: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, 64, 64) in [-1, 1] of both kinds to unit-norm rows (N, 128)."""
        return functional.normalize(self.sharp(sharp)), functional.normalize(self.blurred(blurred))


def blur(crops: Crops, sigma: float) -> Crops:
    """Crops (N, H, W, 3) with a Gaussian blur of a sigma in pixels; 0 changes nothing."""
    return np.stack([filters.blur(c, sigma) for c in crops]) if sigma > 0 and len(crops) else crops


def triplet_loss(sharp: Tensor, blurred: Tensor) -> Tensor:
    """Mean triplet margin loss of a batch with one person a row.

    Formula: ``max(d(a, p) - d(a, n) + 1, 0)`` with L2 distances, over all triplets whose anchor is of one kind and whose
    positive and negative are of the other.

    Args:
        sharp: (N, D) embeddings of one photo of each person.
        blurred: (N, D) embeddings of another.
    """
    distances = torch.cdist(sharp, blurred)
    own = distances.diagonal()
    # Rows have sharp anchors, columns blurred ones; a person is no negative of its own.
    losses = [functional.relu(own[:, None] - d + MARGIN) for d in (distances, distances.T)]
    others = ~torch.eye(len(sharp), dtype=torch.bool)
    return torch.cat([loss[others] for loss in losses]).mean()


def train(photos: Crops, variant: Variant, steps: int, seed: int, tick: Callable[[], None] = lambda: None) -> TwoStreams:
    """Both streams, trained from random weights.

    Args:
        photos: (P, K, 128, 128, 3) aligned crops of P people, K photos each; K is at least 2.
        variant: how pictures are made of them.
        steps: of Adam, with a triplet for every pair of 32 people.
        seed: of the weights, the order and the pictures.
        tick: called after each step.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        streams = TwoStreams().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(streams.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    for sharp, blurred in _batches(photos, variant, steps, np.random.default_rng(seed)):
        optimiser.zero_grad()
        triplet_loss(*streams(sharp, blurred)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        tick()
    return streams.eval()


def _batches(photos: Crops, variant: Variant, steps: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Sharp and blurred pictures (B, 3, 64, 64) of B people; row by row of one person, from two photos."""
    for _ in range(steps):
        people = rng.permutation(len(photos))[:_BATCH]
        chosen = np.array([rng.permutation(photos.shape[1])[:2] for _ in people])
        sharp = [_picture(photos[p, k], variant, 0.0, rng) for p, k in zip(people, chosen[:, 0], strict=True)]
        blurred = [_picture(photos[p, k], variant, rng.uniform(*variant.sigmas), rng) for p, k in zip(people, chosen[:, 1], strict=True)]
        yield _to_tensor(sharp), _to_tensor(blurred)


def _picture(crop: NDArray[np.uint8], variant: Variant, sigma: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A training picture: blurred, cut out, mirrored every other time."""
    picture = framed(blur(crop[None], sigma)[0], variant)
    side = round(len(picture) * rng.uniform(variant.least_window, 1.0))
    x, y = rng.integers(0, len(picture) - side + 1, 2)
    window = picture[y : y + side, x : x + side]
    return window[:, ::-1] if rng.random() < 0.5 else window


def framed(crop: NDArray[np.uint8], variant: Variant) -> NDArray[np.uint8]:
    """What a variant sees of an aligned crop: all of it, or the face alone."""
    x, y, side = _FACE_WINDOW if variant.tight else (0, 0, SIZE)
    return crop[y : y + side, x : x + side]


def _to_tensor(pictures: list[NDArray[np.uint8]]) -> Tensor:
    small = np.stack([cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in pictures]).astype(np.float32)
    return torch.from_numpy(small / 127.5 - 1.0).permute(0, 3, 1, 2)


@torch.inference_mode()
def embed(network: nn.Module, crops: Crops, variant: Variant) -> Embeddings:
    """Aligned crops (N, 128, 128, 3) by one of the streams: unit-norm rows (N, 128)."""
    rows = []
    for start in range(0, len(crops), _BATCH):
        pictures = [framed(c, variant) for c in crops[start : start + _BATCH]]
        rows.append(functional.normalize(network(_to_tensor(pictures))).numpy())
    return np.concatenate(rows)
