"""Networks as they are run: pixels as a picture holds them go in, and numbers that need no more work come out."""

from torch import Tensor, nn


class OfPixels(nn.Module):
    """A network that takes pixels (N, H, W, 3) in [0, 255], of any type.

    Args:
        network: takes images (N, 3, H, W).
        middle: what is subtracted from a pixel.
        spread: what the difference is divided by.
        sigmoid: whether probabilities are made of its answer.
    """

    def __init__(self, network: nn.Module, middle: float = 0.0, spread: float = 1.0, sigmoid: bool = False) -> None:
        super().__init__()
        self.network, self._middle, self._spread, self._sigmoid = network, middle, spread, sigmoid

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        images = pixels.permute(0, 3, 1, 2).float()
        if self._middle:
            images = (images - self._middle) / self._spread
        said = self.network(images)
        outputs = said if isinstance(said, tuple) else (said,)
        return tuple(out.sigmoid() for out in outputs) if self._sigmoid else outputs
