"""A second opinion on attributes: of another architecture than deid's classifier, and learned from people whom that one never saw.

What deid's own classifier sees in an edit says little: the generator was trained to please it.
"""

import copy
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import DenseNet

from deid.models.attgan import ATTRIBUTES
from deid.protocols import Detector
from deid.structures import Crops
from deid.training.classifier import augment, ema, to_tensor
from deid.training.data import split_of
from evaluation.datasets import Photo, celeba, data_file
from evaluation.metrics.bootstrap import weighted_interval
from evaluation.results import Measure, measure
from evaluation.studies.edits import aligned

NAME = "second opinion"
_BATCH = 32
_RATE = 3e-3
#: A rare attribute counts at most so many times as much as a common one.
_MOST_WEIGHT = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Faces with labels.

    Args:
        crops: (N, 128, 128, 3) uint8 RGB, aligned.
        signs: (N, 13) float32: 1 has it, -1 has it not, 0 unknown.
        people: (N,) whose face each is.
    """

    crops: Crops
    signs: NDArray[np.float32]
    people: tuple[str, ...]


def architecture() -> DenseNet:
    """A small dense network for 64 px (G. Huang et al., "Densely Connected Convolutional Networks", CVPR 2017)."""
    network = DenseNet(growth_rate=12, block_config=(3, 4, 4, 4), num_init_features=24, num_classes=len(ATTRIBUTES))
    # Made for larger pictures, it would look at an eye in two pixels.
    network.features.pool0 = nn.Identity()
    return network.to(memory_format=torch.channels_last)


class SecondOpinion:
    """The 13 attributes of aligned crops.

    Args:
        network: an `architecture` with weights.
    """

    def __init__(self, network: DenseNet) -> None:
        self.network: DenseNet = network.eval().requires_grad_(False)

    @torch.inference_mode()
    def probabilities(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to the probability of each attribute (N, 13), as if half of the people had it."""
        parts = [self.network(_small(to_tensor(crops[i : i + _BATCH]))).sigmoid() for i in range(0, len(crops), _BATCH)]
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    @torch.inference_mode()
    def features(self, crops: Crops) -> NDArray[np.float64]:
        """Crops (N, 128, 128, 3) to what the answers are read from (N, D)."""
        parts = [self.network.features(_small(to_tensor(crops[i : i + _BATCH]))) for i in range(0, len(crops), _BATCH)]
        return np.asarray(functional.relu(torch.cat(parts)).mean(dim=(2, 3)).double().numpy())

    def male(self, crops: Crops) -> NDArray[np.float32]:
        """Probability (N,) of a man."""
        return np.asarray(self.probabilities(crops)[:, ATTRIBUTES.index("Male")])


def celeba_lesson(split: str, detector: Detector, stage: Callable[[str, int], None], tick: Callable[[], None]) -> Lesson:
    """CelebA's people of a split of `split_of`, with their labels."""
    with data_file("celeba-attributes.csv").open(newline="") as file:
        table = {row["image"]: [2.0 * int(row[a]) - 1.0 for a in ATTRIBUTES] for row in csv.DictReader(file)}
    photos = [p for p in celeba() if split_of(f"celeba/{p.identity}") == split and p.name in table]
    stage(f"CelebA, {split}", len(photos))
    kept, crops = aligned(photos, detector, tick)
    return Lesson(crops, np.array([table[p.name] for p in kept], np.float32), tuple(p.identity for p in kept))


def gender_lesson(photos: Sequence[Photo], crops: Crops) -> Lesson:
    """Faces of whom only the gender is known."""
    signs = np.zeros((len(photos), len(ATTRIBUTES)), np.float32)
    signs[:, ATTRIBUTES.index("Male")] = [{"male": 1.0, "female": -1.0}.get(p.gender, 0.0) for p in photos]
    return Lesson(crops, signs, tuple(p.identity for p in photos))


def joined(a: Lesson, b: Lesson) -> Lesson:
    """Both lessons as one."""
    return Lesson(np.concatenate([a.crops, b.crops]), np.concatenate([a.signs, b.signs]), (*a.people, *b.people))


def class_weights(signs: NDArray[np.float32]) -> Tensor:
    """(N, 13): 0 where unknown, else what makes both sides of an attribute count alike.

    With equal weights the answer to a rare attribute is always no, and no edit could be seen to bring it.
    """
    positive = (signs > 0).sum(axis=0) / np.maximum((signs != 0).sum(axis=0), 1)
    share = np.where(signs > 0, positive, 1 - positive)
    weight = np.minimum(0.5 / np.maximum(share, 1e-9), _MOST_WEIGHT)
    return torch.from_numpy(np.where(signs != 0, weight, 0.0).astype(np.float32))


def train(lesson: Lesson, steps: int, seed: int, tick: Callable[[], None]) -> SecondOpinion:
    """Learn from a lesson; the average of the weights (EMA) over so many steps."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    network = architecture()
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps)
    weights, labels = class_weights(lesson.signs), torch.from_numpy(lesson.signs)
    network.train()
    for step in range(steps):
        pick = torch.randint(len(lesson.crops), (_BATCH,), generator=rng)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(_small(augment(to_tensor(lesson.crops[pick.numpy()]), rng)))
        loss = functional.binary_cross_entropy_with_logits(logits.float(), (labels[pick] > 0).float(), weights[pick])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        ema(average, network, min(0.99, (step + 1) / (step + 10)))
        tick()
    return SecondOpinion(average)


def write(opinion: SecondOpinion, path: Path) -> None:
    """Keep it as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in opinion.network.state_dict().items()}, path)


def read(path: Path) -> SecondOpinion:
    """What `write` kept."""
    network = architecture()
    network.load_state_dict(load_file(path))
    return SecondOpinion(network)


def _small(images: Tensor) -> Tensor:
    return functional.avg_pool2d(images, 2).contiguous(memory_format=torch.channels_last)


def accuracy_lines(opinion: SecondOpinion, exam: Lesson, seed: int) -> list[Measure]:
    """Balanced accuracy for each attribute of which both sides are there, and their mean."""
    seen = opinion.probabilities(exam.crops) > 0.5
    note = "mean of the shares of right answers among those who have it and those who have not; CelebA validation people"
    found = []
    for j, attribute in enumerate(ATTRIBUTES):
        keep = exam.signs[:, j] != 0
        truth, said = exam.signs[keep, j] > 0, seen[keep, j]
        if truth.any() and not truth.all():
            owners = [p for p, k in zip(exam.people, keep, strict=True) if k]
            interval = weighted_interval(partial(_balanced, truth, said), owners, len(truth), seed)
            found.append(measure(NAME, f"balanced accuracy, {attribute}", interval, better="higher", unit="%", note=note))
    mean = float(np.mean([m.value for m in found])) if found else float("nan")
    return [*found, Measure(section=NAME, name="balanced accuracy, mean", value=mean, n=len(exam.crops), better="higher", unit="%")]


def _balanced(truth: NDArray[np.bool_], said: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """Mean of the weighted shares of right answers on both sides; NaN when one side was not drawn."""
    right, sides = weights * (truth == said), (truth, ~truth)
    shares = [right[side].sum() / weights[side].sum() if weights[side].any() else np.nan for side in sides]
    return float(np.mean(shares))


def right_gender(opinion_male: NDArray[np.bool_], genders: Sequence[str]) -> NDArray[np.float64]:
    """(N,) whether the gender is read as it is labelled; NaN where it is not labelled."""
    known: Mapping[str, float] = {"male": 1.0, "female": 0.0}
    truth = np.array([known.get(g, np.nan) for g in genders])
    return np.where(np.isnan(truth), np.nan, (truth == opinion_male).astype(float))
