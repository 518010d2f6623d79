"""MTCNN's three networks: one proposes windows, the others choose among them.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", SPL 2016.

A PReLU with a slope for each channel is slow in onnxruntime: it took a third of the first network. In the graph, the PReLU becomes
convolutions of one pixel and a ReLU, which give the same numbers. The first one comes after the pooling.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

#: So many channels are computed together by onnxruntime on processors with AVX-512.
_TOGETHER = 16


class _PReLU(nn.PReLU):
    """A PReLU, in a graph as ``a x + (1 - a) relu(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        if not torch.onnx.is_in_onnx_export():
            return super().forward(x)
        slope = self.weight[:, None, None, None]
        n = self.num_parameters
        return functional.conv2d(x, slope, groups=n) + functional.conv2d(x.relu(), 1 - slope, groups=n)


def _conv(n_in: int, n_out: int, side: int) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, side), _PReLU(n_out)]


def _pool(side: int) -> nn.Module:
    return nn.MaxPool2d(side, 2, ceil_mode=True)


class _First(nn.Sequential):
    """A convolution, its PReLU and a pooling; in a graph for a quarter of the work after the convolution.

    Where a slope is negative, the largest value after the PReLU may come from the least one before it. Such channels are pooled with
    both signs.
    """

    def __init__(self, n_out: int, pool: int) -> None:
        super().__init__(*_conv(3, n_out, 3), _pool(pool))

    def forward(self, x: Tensor) -> Tensor:
        conv, prelu, pool = self
        if not torch.onnx.is_in_onnx_export():
            return pool(prelu(conv(x)))  # type: ignore[no-any-return]
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(prelu, nn.PReLU)
        assert conv.bias is not None
        slope, n = prelu.weight, prelu.num_parameters
        # A traced graph keeps which they are, as it fits its weights alone. Further channels fill up what is computed together.
        least = int((slope < 0).sum())
        falling = sorted(range(n), key=lambda i: float(slope[i]))[: least + -(n + least) % _TOGETHER]
        weight, bias = (torch.cat([value, -value[falling]]) for value in (conv.weight, conv.bias))
        both = pool(functional.conv2d(x, weight, bias))
        own, mirrored = (torch.from_numpy(places).to(x.device) for places in _places(n, falling))
        rising, drop = slope.relu()[:, None], (-slope).relu()[:, None]
        linear, bent = rising * own + drop * mirrored, own - drop * mirrored
        once = functional.conv2d(both, linear[:, :, None, None])
        twice = functional.conv2d(both, bent[:, :, None, None]).relu()
        return once + functional.conv2d(twice, (1 - rising)[:, :, None, None], groups=n)


def _places(n: int, falling: list[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Matrices (n, n + k) of ones and zeros: the place of each of n channels, and of those with the opposite sign."""
    own, mirrored = np.eye(n, n + len(falling), dtype=np.float32), np.zeros((n, n + len(falling)), np.float32)
    mirrored[falling, np.arange(n, n + len(falling))] = 1
    return own, mirrored


class PNet(nn.Module):
    """Images (N, 3, H, W) in [-1, 1] to the probability of a face (N, h, w) and the shifts of its box (N, 4, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(_First(10, 2), *_conv(10, 16, 3), *_conv(16, 32, 3))
        self.score, self.shift = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x, score, shift = self.layers(images), self.score, self.shift
        # The softmax of two is the sigmoid of their difference.
        if not torch.onnx.is_in_onnx_export():
            two = score(x)
            return (two[:, 1] - two[:, 0]).sigmoid(), shift(x)
        assert score.bias is not None
        assert shift.bias is not None
        weight, bias = (torch.cat([two[1:] - two[:1], four]) for two, four in ((score.weight, shift.weight), (score.bias, shift.bias)))
        both = functional.conv2d(x, weight, bias)
        return both[:, 0].sigmoid(), both[:, 1:]


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

    def probability(self, vectors: Tensor) -> Tensor:
        """The softmax of two is the sigmoid of their difference."""
        two: Tensor = self.score(vectors)
        return (two[:, 1] - two[:, 0]).sigmoid()


class RNet(_Chooser):
    """Windows (N, 3, 24, 24) in [-1, 1] to the probability of a face (N,) and the shifts of its box (N, 4)."""

    def __init__(self) -> None:
        layers = [_First(28, 3), *_conv(28, 48, 3), _pool(3), *_conv(48, 64, 2)]
        super().__init__(layers, 576, 128)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        x = self.vectors(windows)
        return self.probability(x), self.shift(x)


class ONet(_Chooser):
    """Windows (N, 3, 48, 48) in [-1, 1] to the probability of a face (N,), the shifts of its box (N, 4), and five points, all x before
    all y (N, 10)."""

    def __init__(self) -> None:
        layers = [_First(32, 3), *_conv(32, 64, 3), _pool(3), *_conv(64, 64, 3), _pool(2), *_conv(64, 128, 2)]
        super().__init__(layers, 1152, 256)
        self.points = nn.Linear(256, 10)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.vectors(windows)
        return self.probability(x), self.shift(x), self.points(x)
