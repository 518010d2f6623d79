"""What an identity code stands for: a place among people on which the recognisers agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from deid.models.attgan import ATTRIBUTES, N_CODES
from deid.training.classifier import to_tensor
from deid.training.data import FaceData
from deid.training.recognisers import CropRecogniser

_MALE = ATTRIBUTES.index("Male")


@dataclass(frozen=True, slots=True, eq=False)
class Identities:
    """Where people lie for each recogniser, seen from the average person of their gender.

    Args:
        means: per recogniser (2, D), the mean embedding of women and of men.
        axes: per recogniser (N_CODES, D), what each number of a code measures.
    """

    means: tuple[Tensor, ...]
    axes: tuple[Tensor, ...]

    def seen_from_mean(self, index: int, embeddings: Tensor, male: Tensor) -> Tensor:
        """Embeddings (N, D) of one recogniser as unit directions from the mean of each face's gender (N,): a cosine of 0
        says strangers, whichever recogniser."""
        return functional.normalize(embeddings - self.means[index][male.long()])

    def codes(self, places: Sequence[Tensor]) -> Tensor:
        """Unit directions (N, D), one tensor per recogniser, to codes (N, N_CODES) of length sqrt(N_CODES)."""
        measured = torch.cat(list(places), dim=1) @ torch.cat(self.axes, dim=1).T
        return functional.normalize(measured) * math.sqrt(N_CODES)


@torch.inference_mode()
def measure(data: FaceData, recognisers: Sequence[CropRecogniser], device: str) -> tuple[Identities, tuple[Tensor, ...]]:
    """Means and principal axes of all faces, and per recogniser (N, D) where each of them lies.

    The axes are those of all recognisers' embeddings side by side, so that one code asks each of them for the same person;
    they mix thousands of people, so that none of these comes back.
    """
    male = torch.from_numpy(data.labels[:, _MALE] > 0).to(device)
    means, places = [], []
    for recogniser in recognisers:
        rows = torch.cat([recogniser(to_tensor(part).to(device)) for part in np.array_split(data.crops, -(-len(data) // 64))])
        mean = torch.stack([rows[male == g].mean(dim=0) if (male == g).any() else rows.mean(dim=0) for g in (False, True)])
        means.append(mean.clone())
        places.append(functional.normalize(rows - mean[male.long()]))
    _, spread, axes = torch.pca_lowrank(torch.cat(places, dim=1), min(N_CODES, len(data)), center=False)
    # Each number of a code varies as much as the next one over the faces.
    axes = functional.pad((axes / spread).T, (0, 0, 0, N_CODES - axes.shape[1]))
    parts = torch.tensor_split(axes, np.cumsum([p.shape[1] for p in places])[:-1].tolist(), dim=1)
    return Identities(tuple(means), tuple(p.clone() for p in parts)), tuple(p.clone() for p in places)
