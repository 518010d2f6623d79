"""Networks as they are run: pixels as a picture holds them go in, and numbers that need no more work come out."""

from torch import Tensor, nn

from deid.models.attgan import Generator, inverted


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


class TwoPasses(nn.Module):
    """Both passes of AttGAN over faces: every attribute one way, then the other."""

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor, sets: Tensor) -> Tensor:
        """Faces (N, 128, 128, 3) in [0, 255] under sets (k N, 13) to (k N, 128, 128, 3) in [0, 255], not rounded.

        The first N sets are for the faces in order, and so are the next.
        """
        # A face that several sets edit is encoded once.
        codes = self.network.encode(pixels.permute(0, 3, 1, 2) / 127.5 - 1.0)
        times = sets.shape[0] // pixels.shape[0]
        first = self.network.decode(tuple(z.repeat(times, 1, 1, 1) for z in codes), sets)
        second = self.network(first, inverted(sets))
        made: Tensor = (second.clamp(-1, 1) + 1) * 127.5
        return made.permute(0, 2, 3, 1)
