"""The opponents of the generator: recognisers that must not know a new face, and the discriminator that must take it for a photo."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from deid.models.attgan import Discriminator
from deid.training import losses
from deid.training.classifier import to_tensor
from deid.training.data import FaceData
from deid.training.precision import autocast
from deid.training.recognisers import CropRecogniser, jittered

#: Of Adam, for generator and discriminator.
BETAS = (0.5, 0.99)
#: Faces whose mean is the average person for a recogniser.
_AVERAGED = 256


class Recognisers:
    """The recognisers for whom faces are moved, each with its average person.

    Args:
        recognisers: at least one.
        data: faces for the average person.
        rng: draws them.
        device: where the recognisers run.
    """

    def __init__(self, recognisers: Sequence[CropRecogniser], data: FaceData, rng: np.random.Generator, device: str) -> None:
        self._recognisers = [r.to(device) for r in recognisers]
        self._average_people = [_average_person(r, data, rng, device) for r in self._recognisers]

    def moved(self, source: Tensor, new: Tensor, rng: np.random.Generator, margin: float) -> Tensor:
        """How near the new faces are to their sources, for one of the recognisers: they take turns at random."""
        turn = int(rng.integers(len(self._recognisers)))
        recogniser, average = self._recognisers[turn], self._average_people[turn]
        with torch.no_grad():
            before = nn.functional.normalize(recogniser(source) - average)
        # Not aligned to the pixel and not all sharp: what moves a face must not be a pattern that a shift or a blur undoes.
        after = nn.functional.normalize(recogniser(jittered(new, rng)) - average)
        return losses.repel(before, after, margin)


@torch.no_grad()
def _average_person(recogniser: CropRecogniser, data: FaceData, rng: np.random.Generator, device: str) -> Tensor:
    """The mean embedding (128,) of some faces: seen from there, strangers have a cosine of 0, whichever recogniser."""
    crops = data.crops[rng.choice(len(data), min(_AVERAGED, len(data)), replace=False)]
    rows = [recogniser(to_tensor(part).to(device)) for part in np.array_split(crops, -(-len(crops) // 32))]
    return torch.cat(rows).mean(dim=0)


class Adversary:
    """The discriminator and its optimiser.

    Args:
        width: channels of its first convolution.
        device: where it runs.
    """

    def __init__(self, width: int, device: str) -> None:
        self._device = device
        self.network = Discriminator(width).to(device).to(memory_format=torch.channels_last)
        # The run's pace sets the learning rate.
        self.optimiser = torch.optim.Adam(self.network.parameters(), betas=BETAS)

    def loss(self, images: Tensor, fakes: Tensor) -> Tensor:
        """How far it is from taking fakes for photos: the generator's loss."""
        # It judges here and learns nothing: what its own gradients would cost is saved.
        self.network.requires_grad_(False)
        real, fake = self._judged(images), self._judged(fakes)
        self.network.requires_grad_(True)
        return sum((losses.adversarial_generator(r, f) for r, f in zip(real, fake, strict=True)), torch.zeros(()))

    def step(self, images: Tensor, fakes: Tensor) -> float:
        """Learn to tell photos from fakes; returns the loss."""
        real, fake = self._judged(images), self._judged(fakes)
        loss = sum((losses.adversarial_discriminator(r, f) for r, f in zip(real, fake, strict=True)), torch.zeros(()))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.item()

    def _judged(self, images: Tensor) -> tuple[Tensor, Tensor]:
        with autocast(self._device):
            judged: tuple[Tensor, Tensor] = self.network(images)
        return judged
