"""MTCNN's three networks: the first proposes faces in every window of a picture, the others choose among windows.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", SPL 2016.
"""

from torch import Tensor, nn


def _conv(n_in: int, n_out: int, side: int) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, side), nn.PReLU(n_out)]


def _pool(side: int) -> nn.Module:
    return nn.MaxPool2d(side, 2, ceil_mode=True)


class PNet(nn.Module):
    """Images (N, 3, H, W) in [-1, 1] to the probability of a face (N, 2, h, w) and the shifts of its box (N, 4, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_conv(3, 10, 3), _pool(2), *_conv(10, 16, 3), *_conv(16, 32, 3))
        self.score, self.shift = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.layers(images)
        return self.score(x).softmax(dim=1), self.shift(x)


class _Chooser(nn.Module):
    """Windows to one vector each: the layers that both choosers have."""

    def __init__(self, layers: list[nn.Module], size: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Sequential(nn.Linear(size, width), nn.PReLU(width))
        self.score, self.shift = nn.Linear(width, 2), nn.Linear(width, 4)

    def vectors(self, windows: Tensor) -> Tensor:
        # The weights come from a framework that has columns before rows, and channels last.
        vectors: Tensor = self.dense(self.layers(windows).permute(0, 3, 2, 1).flatten(1))
        return vectors


class RNet(_Chooser):
    """Windows (N, 3, 24, 24) in [-1, 1] to the probability of a face (N, 2) and the shifts of its box (N, 4)."""

    def __init__(self) -> None:
        layers = [*_conv(3, 28, 3), _pool(3), *_conv(28, 48, 3), _pool(3), *_conv(48, 64, 2)]
        super().__init__(layers, 576, 128)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        x = self.vectors(windows)
        return self.score(x).softmax(dim=1), self.shift(x)


class ONet(_Chooser):
    """Windows (N, 3, 48, 48) in [-1, 1] to the probability of a face (N, 2), the shifts of its box (N, 4), and five points, all x
    before all y (N, 10)."""

    def __init__(self) -> None:
        layers = [*_conv(3, 32, 3), _pool(3), *_conv(32, 64, 3), _pool(3), *_conv(64, 64, 3), _pool(2), *_conv(64, 128, 2)]
        super().__init__(layers, 1152, 256)
        self.points = nn.Linear(256, 10)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.vectors(windows)
        return self.score(x).softmax(dim=1), self.shift(x), self.points(x)
