"""Losses of the generator and its discriminator."""

from torch import Tensor
from torch.nn import functional


def adversarial_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic average LSGAN: real logits exceed the mean fake logit by 1, and fake logits fall short of the mean real one by 1.

    A. Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, with X. Mao et al., "Least Squares Generative
    Adversarial Networks", ICCV 2017. Tried before it: plain hinge with R1 stood at chance, spending its steps on a swing that
    all logits have in common; relativistic hinge without R1 let the logits run away, and the generator with them.
    """
    real, fake = real.float(), fake.float()
    return ((real - fake.mean() - 1).square().mean() + (fake - real.mean() + 1).square().mean()) / 2


def adversarial_generator(real: Tensor, fake: Tensor) -> Tensor:
    """The other half of `adversarial_discriminator`."""
    return adversarial_discriminator(fake, real)


def repel(source: Tensor, edited: Tensor, margin: float) -> Tensor:
    """Hinge on the cosine of unit-norm embeddings (N, D) of a face before and after: 1 for the same, 0 under the margin."""
    return functional.relu((source * edited).sum(dim=1) - margin).mean() / (1.0 - margin)


def likeness(edited: Tensor, goal: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """L1 of images (N, C, H, W) and of their differences between neighbours: edges count beside colours. Pixels may be weighed."""
    difference = edited - goal
    edges = [functional.pad(difference.diff(dim=2), (0, 0, 0, 1)), functional.pad(difference.diff(dim=3), (0, 1))]
    return sum((part.abs() * weight).mean() for part in (difference, *edges))  # type: ignore[return-value]


def detail(difference: Tensor) -> Tensor:
    """L1 of what images (N, C, H, W) hold that is finer than 4 pixels: enlarged, it shows as smears."""
    coarse = functional.interpolate(functional.avg_pool2d(difference, 4), scale_factor=4, mode="bilinear")
    return (difference - coarse).abs().mean()
