"""What the generator and its discriminator are trained to do."""

from torch import Tensor, nn
from torch.nn import functional


def adversarial_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic average least squares: a photo shall look one unit more real than edits do on average, and back.

    A. Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, with X. Mao et al., "Least Squares Generative
    Adversarial Networks", ICCV 2017. Tried before it: plain hinge with R1 stood at chance, spending its steps on a swing that
    all logits have in common; relativistic hinge without R1 let the logits run away, and the generator with them.
    """
    real, fake = real.float(), fake.float()
    return ((real - fake.mean() - 1).square().mean() + (fake - real.mean() + 1).square().mean()) / 2


def adversarial_generator(real: Tensor, fake: Tensor) -> Tensor:
    """The other half of `adversarial_discriminator`."""
    return adversarial_discriminator(fake, real)


def attribute_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy of logits (N, 13) against signs of labels (N, 13), each weighted by its size up to 1: a label of 0
    does not count, and a set that asks for a hint of glasses is not made to show them."""
    known = labels.abs().clamp(max=1.0)
    loss = functional.binary_cross_entropy_with_logits(logits.float(), (labels > 0).float(), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1.0)


def repel(source: Tensor, edited: Tensor, margin: float) -> Tensor:
    """Hinge on the cosine of unit-norm embeddings (N, D) of a face before and after: 1 for the same, 0 under the margin."""
    return functional.relu((source * edited).sum(dim=1) - margin).mean() / (1.0 - margin)


def attract(target: Tensor, edited: Tensor, goal: float) -> Tensor:
    """Hinge on the cosine of unit-norm directions (N, D) of the wanted and the edited face: 0 from the goal on."""
    return functional.relu(goal - (target * edited).sum(dim=1)).mean()


def likeness(edited: Tensor, goal: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """L1 of images (N, C, H, W) and of their differences between neighbours: edges count beside colours. Pixels may be weighed."""
    difference = edited - goal
    edges = [functional.pad(difference.diff(dim=2), (0, 0, 0, 1)), functional.pad(difference.diff(dim=3), (0, 1))]
    return sum((part.abs() * weight).mean() for part in (difference, *edges))  # type: ignore[return-value]


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
