"""An independent classifier of attributes, with another architecture and other training people than deid's.

What deid's own classifier sees in an edit says little: the generator was trained to please it.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from deid.core.attributes import ATTRIBUTES
from deid.core.protocols import Detector
from deid.core.types import Crops
from deid.recognition.arcface import ArcFaceRecogniser
from deid.training.data import split_of
from evaluation.datasets import Photo, celeba, data_file
from evaluation.metrics.bootstrap import weighted_interval
from evaluation.recognisers import ATTACKER_FILE, MiddleLayers
from evaluation.results import Measure, measure
from evaluation.studies.edits import aligned

NAME = "second opinion"
#: The last map of the attacker's network that still shows where things are: (128, 7, 7).
_LAYER = "/features/features.14/Add_output_0"
_MAP_SIDE, _COLOUR_SIDE = 7, 16
#: Of the ridge penalty, in units of the number of features; chosen on CelebA's validation people.
_PENALTY = 2.0
#: From crops (N, 128, 128, 3) to features (N, D).
Look: TypeAlias = Callable[[Crops], NDArray[np.float32]]


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


class FaceMaps:
    """The maps of a recogniser trained on millions of photos, before it forgets all but identity, and the colours that it ignores.

    No generator was trained or chosen with it.
    """

    def __init__(self) -> None:
        path = data_file(ATTACKER_FILE)
        self._layers, self._blob = MiddleLayers(path, [_LAYER]), ArcFaceRecogniser(path).blob

    def __call__(self, crops: Crops) -> NDArray[np.float32]:
        """Maps and colours, flat, side by side."""
        colours = [cv2.resize(crop, (_COLOUR_SIDE, _COLOUR_SIDE), interpolation=cv2.INTER_AREA).ravel() / 255.0 for crop in crops]
        return np.hstack([self._maps(crops).reshape(len(crops), -1), np.stack(colours)]).astype(np.float32)

    def pooled(self, crops: Crops) -> NDArray[np.float64]:
        """Means of the maps (N, 128)."""
        return np.asarray(self._maps(crops).mean(axis=2))

    def _maps(self, crops: Crops) -> NDArray[np.float64]:
        rows = [self._layers(self._blob(crop))[0] for crop in crops]
        return np.stack(rows).astype(np.float64).reshape(len(crops), -1, _MAP_SIDE**2)


@dataclass(frozen=True, slots=True, eq=False)
class SecondOpinion:
    """The 13 attributes of aligned crops: a linear answer to standardised features, as if half of the people had each of them.

    Args:
        look: gives the features.
        mean: (D,) of the features.
        scale: (D,) what they are divided by.
        weights: (13, D).
        bias: (13,).
    """

    look: Look
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def sees(self, crops: Crops) -> NDArray[np.bool_]:
        """Which of the attributes crops (N, 128, 128, 3) have: (N, 13)."""
        return np.asarray(((self.look(crops) - self.mean) / self.scale) @ self.weights.T + self.bias > 0)

    def male(self, crops: Crops) -> NDArray[np.bool_]:
        """Which of the crops show a man (N,)."""
        return np.asarray(self.sees(crops)[:, ATTRIBUTES.index("Male")])


def learn(look: Look, lesson: Lesson) -> SecondOpinion:
    """Ridge regression on the signs, both sides of an attribute weighing alike.

    With equal weights the answer to a rare attribute is always no, and no edit could be seen to bring it. Of an attribute with one
    side only, that side is the answer.
    """
    from sklearn.linear_model import RidgeClassifier

    features = look(lesson.crops)
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    rows = (features - mean) / scale
    weights, bias = np.zeros((len(ATTRIBUTES), rows.shape[1]), np.float32), np.zeros(len(ATTRIBUTES), np.float32)
    for j, signs in enumerate(lesson.signs.T):
        known = signs != 0
        if len(np.unique(signs[known])) < 2:
            bias[j] = signs[known][0] if known.any() else -1.0
            continue
        fitted = RidgeClassifier(_PENALTY * rows.shape[1], class_weight="balanced").fit(rows[known], signs[known])
        weights[j], bias[j] = np.ravel(fitted.coef_), np.ravel(fitted.intercept_)[0]
    return SecondOpinion(look, mean, scale, weights, bias)


def celeba_lesson(split: str, detector: Detector, stage: Callable[[str, int], None], tick: Callable[[], None]) -> Lesson:
    """CelebA's people of a split of `split_of`, with their labels."""
    with data_file("celeba-attributes.csv").open(newline="") as file:
        table = {row["image"]: [2.0 * int(row[a]) - 1.0 for a in ATTRIBUTES] for row in csv.DictReader(file)}
    photos = [p for p in celeba() if split_of(f"celeba/{p.identity}") == split and p.name in table]
    stage(f"CelebA, {split}", len(photos))
    kept, crops = aligned(photos, detector, tick)
    return Lesson(crops, np.array([table[p.name] for p in kept], np.float32), tuple(p.identity for p in kept))


def gender_lesson(photos: Sequence[Photo], crops: Crops) -> Lesson:
    """Faces with a label of gender only."""
    signs = np.zeros((len(photos), len(ATTRIBUTES)), np.float32)
    signs[:, ATTRIBUTES.index("Male")] = [{"male": 1.0, "female": -1.0}.get(p.gender, 0.0) for p in photos]
    return Lesson(crops, signs, tuple(p.identity for p in photos))


def joined(a: Lesson, b: Lesson) -> Lesson:
    """Both lessons as one."""
    return Lesson(np.concatenate([a.crops, b.crops]), np.concatenate([a.signs, b.signs]), (*a.people, *b.people))


def write(opinion: SecondOpinion, path: Path) -> None:
    """Keep what it has learned as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: getattr(opinion, name) for name in ("mean", "scale", "weights", "bias")}, path)


def read(path: Path, look: Look) -> SecondOpinion:
    """What `write` kept, on the same features."""
    return SecondOpinion(look, **load_file(path))


def accuracy_lines(opinion: SecondOpinion, exam: Lesson, seed: int) -> list[Measure]:
    """Balanced accuracy for each attribute of which both sides are there, and their mean."""
    seen = opinion.sees(exam.crops)
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


def right_gender(male: NDArray[np.bool_], genders: Sequence[str]) -> NDArray[np.float64]:
    """(N,) whether the gender is read as it is labelled; NaN where it is not labelled."""
    known: Mapping[str, float] = {"male": 1.0, "female": 0.0}
    truth = np.array([known.get(g, np.nan) for g in genders])
    return np.where(np.isnan(truth), np.nan, (truth == male).astype(float))
