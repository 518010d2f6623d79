"""What the generator and its discriminator are trained to do."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic average hinge: a photo shall look more real than edited faces do on average, and the other way round.

    A. Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, with J. H. Lim, J. C. Ye, "Geometric GAN", 2017.
    Plain hinge spent its steps on a swing that all logits have in common (tried: after 60 steps it still stood at chance).
    """
    real, fake = real.float(), fake.float()
    return functional.relu(1.0 - (real - fake.mean())).mean() + functional.relu(1.0 + (fake - real.mean())).mean()


def hinge_generator(real: Tensor, fake: Tensor) -> Tensor:
    """The other half of `hinge_discriminator`."""
    return hinge_discriminator(fake, real)


def r1_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """L. Mescheder, A. Geiger, S. Nowozin, "Which Training Methods for GANs do actually Converge?", ICML 2018, eq. 9."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3)).mean() / 2


def attribute_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy of logits (N, 13) against signs of labels (N, 13); a label of 0 does not count."""
    known = (labels != 0).float()
    loss = functional.binary_cross_entropy_with_logits(logits.float(), (labels > 0).float(), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


def repel(source: Tensor, edited: Tensor, margin: float) -> Tensor:
    """Hinge on the cosine of unit-norm embeddings (N, D) of a face before and after: 1 for the same, 0 under the margin."""
    return functional.relu((source * edited).sum(dim=1) - margin).mean() / (1.0 - margin)


def pixelate(images: Tensor, cells: int) -> Tensor:
    """Images (N, C, H, W) as a mosaic of ``cells`` x ``cells``."""
    small = functional.adaptive_avg_pool2d(images, cells)
    return functional.interpolate(small, size=images.shape[2:], mode="nearest")


class Landmarker(nn.Module):
    """MTCNN's O-Net as a differentiable judge of where the landmarks lie and whether a face is there at all.

    Args:
        onet: the network of facenet-pytorch, crops (N, 3, 48, 48) in [-1, 1] to boxes, landmarks and probabilities.
        box_xyxy: the box of a face in an aligned crop, in shares of its side.
    """

    def __init__(self, onet: nn.Module, box_xyxy: tuple[float, float, float, float] = (0.20, 0.10, 0.80, 0.90)) -> None:
        super().__init__()
        self.onet = onet.eval().requires_grad_(False)
        self.box_xyxy = box_xyxy

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Aligned crops (N, 3, 128, 128) in [-1, 1] to landmarks (N, 10) in shares of the box and face probability (N,)."""
        h, w = images.shape[2:]
        x0, y0, x1, y1 = (round(v * s) for v, s in zip(self.box_xyxy, (w, h, w, h), strict=True))
        crop = functional.interpolate(images[:, :, y0:y1, x0:x1].float(), (48, 48), mode="bilinear", antialias=True)
        _, landmarks, probability = self.onet(crop)
        return landmarks, probability[:, 1]
