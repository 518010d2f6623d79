"""Training of the network that finds glasses, on glasses drawn on faces without any."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError
from deid.imaging.template import SIZE
from deid.landmarks.face_points import FacePoints
from deid.landmarks.glasses import BAND, SIDE
from deid.models.glasses import GlassesFinder
from deid.recognition.attributes import AttributeReader
from deid.training.classifier import ema, to_tensor
from deid.training.data import load as faces_of
from deid.training.data import pictures, split_of
from deid.training.spectacles import put_on

#: Photos of LFW to train on, and the probability of glasses under which a face wears none.
_PHOTOS, _PLAIN = 2400, 0.1


@dataclass(frozen=True, slots=True)
class GlassesOptions:
    """Settings of a run.

    Args:
        width: channels of the network at full size.
        steps: how many.
        batch_size: faces a step.
        plain: share of the faces that get no glasses.
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
    """Faces without glasses.

    Args:
        crops: (N, 256, 256, 3) uint8 RGB.
        points: (N, 68, 2) landmarks in their pixels.
    """

    crops: NDArray[np.uint8]
    points: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.crops)


def load(data: Path, cache: Path, progress: Callable[[int, int, str], None] | None = None) -> tuple[Faces, Faces]:
    """Faces without glasses to train on and to test with: photos of LFW's training people and sharp portraits; other portraits.

    Raises:
        DataError: no faces are there.
    """
    photos, portraits = _photos(data, cache), list(_portraits(data))
    exam = np.array([False] * len(photos) + [split_of(f"portraits/{name}") == "test" for name, _ in portraits], bool)
    large = np.stack([*(_resized(crop, SIDE, cv2.INTER_CUBIC) for crop in photos), *(crop for _, crop in portraits)])
    small = np.stack([*photos, *(_resized(crop, SIZE, cv2.INTER_AREA) for _, crop in portraits)])
    plain = AttributeReader("cpu").probabilities(small)[:, ATTRIBUTES.index("Eyeglasses")] < _PLAIN
    points, reader = np.zeros((len(small), 68, 2)), FacePoints()
    for i in np.flatnonzero(plain):
        # Pixel centres: the second of 256 lies between the first two of 128.
        points[i] = 2 * reader.points(small[i]) + 0.5
        if progress:
            progress(int(i) + 1, len(small), "faces")
    return Faces(large[plain & ~exam], points[plain & ~exam]), Faces(large[plain & exam], points[plain & exam])


def _photos(data: Path, cache: Path) -> NDArray[np.uint8]:
    """(N, 128, 128, 3) aligned photos of LFW's training people."""
    faces = faces_of(data, cache).split("train")
    crops = faces.where(faces.sources == "lfw").crops
    return np.asarray(crops[np.sort(np.random.default_rng(0).permutation(len(crops))[:_PHOTOS])], np.uint8)


def _portraits(data: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Names and pictures (256, 256, 3) of portraits of nobody and of officials."""
    for name in ("portraits", "officials"):
        for file, read in pictures(data, f"{name}.tar", name):
            yield file, _resized(np.asarray(Pillow.open(io.BytesIO(read())).convert("RGB")), SIDE, cv2.INTER_AREA)


def _resized(picture: NDArray[np.uint8], side: int, how: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), np.uint8)


def train(
    faces: Faces, exam: Faces, out: Path, options: GlassesOptions, progress: Callable[[int, int, str], None] | None = None
) -> GlassesFinder:
    """Train on glasses drawn on ``faces``; ``out/glasses.json`` holds how well those on the faces of ``exam`` are found.

    Returns:
        The average of the weights (EMA), in evaluation mode.

    Raises:
        DataError: a set of faces is empty.
    """
    if not len(faces) or not len(exam):
        raise DataError("expected faces without glasses to train on and to test with, got none")
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    # Channels last: more than twice as fast on a CPU.
    network = GlassesFinder(options.width).to(options.device).to(memory_format=torch.channels_last)
    average = GlassesFinder(options.width).to(options.device).eval().requires_grad_(False)
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=options.steps)
    for step in range(options.steps):
        images, masks = (part.to(options.device) for part in lesson(faces, options.batch_size, options.plain, rng))
        loss = _loss(network(images.contiguous(memory_format=torch.channels_last)), masks)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        ema(average, network, min(0.995, step / (step + 10)))
        if progress:
            progress(step + 1, options.steps, f"loss {loss.item():.3f}")
    out.mkdir(parents=True, exist_ok=True)
    (out / "glasses.json").write_text(json.dumps(score(average, exam, options), indent=2))
    return average


def _loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross entropy, and one minus Dice of each mask: a frame is a hundredth of the pixels."""
    said = logits.sigmoid()
    both = (said * masks).sum(dim=(0, 2, 3))
    dice = (2 * both + 1) / (said.sum(dim=(0, 2, 3)) + masks.sum(dim=(0, 2, 3)) + 1)
    return 4 * functional.binary_cross_entropy_with_logits(logits, masks) + (1 - dice).mean()


def lesson(faces: Faces, n: int, plain: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images (n, 3, 144, 256) in [-1, 1] of faces, most of them with glasses, and their masks (n, 2, 144, 256)."""
    pictures, masks = zip(*(_example(faces, plain, rng) for _ in range(n)), strict=True)
    return to_tensor(np.stack(pictures)), torch.from_numpy(np.stack(masks)).permute(0, 3, 1, 2)


def _example(faces: Faces, plain: float, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    i = int(rng.integers(len(faces)))
    picture, points, masks = faces.crops[i], faces.points[i], np.zeros((SIDE, SIDE, 2), np.float32)
    if rng.random() >= plain:
        worn = put_on(picture, points, rng)
        picture, masks = worn.picture, np.stack([worn.frame, worn.lenses], axis=2)
    # As alignment by other landmarks would place it.
    turn = np.asarray(cv2.getRotationMatrix2D((128, 112), rng.normal(0, 5), rng.uniform(0.9, 1.1)))
    turn[:, 2] = turn[:, 2] + rng.normal(0, 5, 2)
    if rng.random() < 0.5:
        turn = turn @ np.array([[-1.0, 0, SIDE - 1], [0, 1, 0], [0, 0, 1]])
    moved, shown = (cv2.warpAffine(a, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT) for a in (picture, masks))
    return _taken(np.asarray(moved, np.uint8), rng)[BAND], np.asarray(shown, np.float32)[BAND]


def _taken(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
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


@torch.inference_mode()
def score(network: GlassesFinder, exam: Faces, options: GlassesOptions, n: int = 240) -> dict[str, float]:
    """Precision and recall of the pixels of drawn frames and lenses, and the share of faces without any where a frame is seen."""
    rng = np.random.default_rng(options.seed + 1)
    shown, masks = lesson(exam, n, 0.0, rng)
    plain, _ = lesson(exam, n, 1.0, rng)
    said, seen = (
        torch.cat([network(part.to(options.device)).sigmoid().cpu() for part in torch.split(a, 24)]) > 0.5 for a in (shown, plain)
    )
    rates: dict[str, float] = {}
    for i, name in enumerate(("frame", "lenses")):
        true, both = masks[:, i] > 0.5, (said[:, i] & (masks[:, i] > 0.5)).sum()
        rates |= {f"{name} precision": float(both / said[:, i].sum().clamp(1)), f"{name} recall": float(both / true.sum())}
    return rates | {"plain faces with a frame": float((seen[:, 0].sum(dim=(1, 2)) > 40).float().mean())}
