"""What the generator is taught: faces, the attribute sets to apply to them, and pictures of how that looks."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deid.core.attributes import ATTRIBUTES
from deid.editing.sampler import RANGE, sample_sets
from deid.landmarks.face_points import FacePoints
from deid.models.attgan import inverted
from deid.training.classifier import to_tensor
from deid.training.data import FaceData
from deid.training.prototypes import Prototypes

_MALE = ATTRIBUTES.index("Male")
#: No set of the product asks for them: a beard that is painted looks it.
_BEARDS = [ATTRIBUTES.index(a) for a in ("Mustache", "No_Beard")]
_HAIR = _BLACK, _BROWN, _ = [ATTRIBUTES.index(a) for a in ("Black_Hair", "Brown_Hair", "Blond_Hair")]
#: How much of a prototype takes a face from one side of an attribute to the other so that it is seen: means of many faces are pale.
#: First to bring one, then to take it: what few people have looks least like itself in the mean.
_SEEN: Mapping[str, tuple[float, float]] = {
    "Bangs": (4.0, 2.5),
    "Brown_Hair": (5.0, 2.0),
    "Eyeglasses": (2.5, 2.5),
    "Mouth_Slightly_Open": (2.0, 1.5),
    "Mustache": (2.5, 2.5),
    "No_Beard": (2.5, 2.5),
    "Young": (4.5, 2.5),
}
_BROUGHT, _TAKEN = np.array([_SEEN.get(a, (2.0, 2.0)) for a in ATTRIBUTES]).T
#: Share of the faces shown alone that stay as they are, and of those of which two attributes change.
_UNCHANGED, _TWICE = 0.2, 0.2
#: The slowest attributes are drawn twice as often.
_SLOW = ("Brown_Hair", "Bushy_Eyebrows", "Male", "Mouth_Slightly_Open", "Young")
_OFTEN = np.array([2.0 if a in _SLOW else 1.0 for a in ATTRIBUTES])


class Lessons:
    """Draws faces and what is asked of them.

    Args:
        data: faces with labels for all attributes (0 or 1).
        shares: how many of the faces come from each source.
        rng: draws.
        device: where the tensors go.
    """

    def __init__(self, data: FaceData, shares: Mapping[str, float], rng: np.random.Generator, device: str) -> None:
        self.data, self.rng, self._device = data, rng, device
        self.chances = _chances(data, shares)
        finder = FacePoints()
        self._points = np.stack([finder.points(crop) for crop in data.crops])
        self._prototypes = Prototypes(data, self._points)

    def batch(self, size: int) -> tuple[NDArray[np.intp], Tensor, Tensor]:
        """Indices (N,) of faces, their images (N, 3, 128, 128) in [-1, 1], and labels (N, 13) of -1 and 1."""
        pick = self.rng.choice(len(self.data), size, p=self.chances)
        return pick, self.to_images(self.data.crops[pick]), self.to_device(self.labels(pick))

    def labels(self, faces: NDArray[np.intp]) -> NDArray[np.float32]:
        """Labels (N, 13) of faces (N,), -1 and 1."""
        return self.data.labels[faces].astype(np.float32) * 2 - 1

    def to_device(self, rows: NDArray[np.floating[Any]]) -> Tensor:
        """Rows in single precision, on the device."""
        return torch.from_numpy(rows.astype(np.float32)).to(self._device)

    def to_images(self, crops: NDArray[np.uint8]) -> Tensor:
        """Crops (N, 128, 128, 3) as images (N, 3, 128, 128) in [-1, 1]."""
        return to_tensor(crops).to(self._device).contiguous(memory_format=torch.channels_last)

    def lesson(self, faces: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        """Sets (N, 13) of the first pass for faces (N,), and the target of the second pass: their attributes, their own gender."""
        shown = self.labels(faces)
        drawn = [sample_sets(bool(s[_MALE] > 0), 1, self.rng, float(self.rng.uniform(0.5, 1.0)))[0] for s in shown]
        sets = np.stack(drawn)
        sets[:, _BEARDS] = 0.0
        asked = inverted(torch.from_numpy(sets)).numpy().copy()
        asked[:, _MALE] = 0.0
        return self.to_device(sets), self._pictures(faces, np.where(asked * shown < 0, asked, 0.0), shown)

    def single_edits(self, faces: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        """Few attributes of most faces on their other side, as far as a strength goes: the changes (N, 13) and their pictures.

        Attributes that stay are 0, as in M. Liu et al., "STGAN: A Unified Selective Transfer Network", CVPR 2019. AttGAN's own
        input, the attributes of the result, makes the generator infer first which of them the face has.
        """
        shown = self.labels(faces)
        strength = self.rng.uniform(0.5, RANGE, (len(faces), 1))
        numbers = self.rng.choice(3, size=(len(faces), 1), p=(_UNCHANGED, 1 - _UNCHANGED - _TWICE, _TWICE))
        # Drawn without replacement: the first to arrive of clocks that run at each attribute's rate.
        moved = (self.rng.exponential(1 / _OFTEN, shown.shape)).argsort(axis=1).argsort(axis=1) < numbers
        changed = np.where(moved, -shown * strength, 0.0)
        return self.to_device(changed), self._pictures(faces, changed, shown)

    def _pictures(self, faces: NDArray[np.intp], changed: NDArray[np.floating[Any]], shown: NDArray[np.float32]) -> Tensor:
        """Faces (N,) that show ``shown`` (N, 13), with some attributes as far on the other side as ``changed`` says."""
        amounts = np.where(shown < 0, _BROUGHT, _TAKEN) * changed
        make_room(amounts, shown)
        known = zip(self.data.crops[faces], self._points[faces], amounts, strict=True)
        return self.to_images(np.stack([self._prototypes.change(*one) for one in known]))


def make_room(amounts: NDArray[np.float64], shown: NDArray[np.float32]) -> None:
    """Let one colour of hair take another's place, in what is added (N, 13) to faces with labels (N, 13): they are one head's."""
    for colour, other in itertools.permutations(_HAIR, 2):
        amounts[(amounts[:, colour] > 0) & (shown[:, other] > 0), other] = -1.0
    amounts[amounts[:, _BROWN] < 0, _BLACK] = 1.0


def _chances(data: FaceData, shares: Mapping[str, float]) -> NDArray[np.float64]:
    """How often each face is drawn: the sources by share, and as many women as men in each."""
    chances, male = np.zeros(len(data)), data.labels[:, _MALE] > 0
    for source, share in shares.items():
        for group in ((data.sources == source) & male, (data.sources == source) & ~male):
            chances[group] = share / max(1, group.sum())
    return np.asarray(chances / chances.sum())
