"""CenterFace: a MobileNetV2 with a feature pyramid that scores every fourth pixel as the middle of a face.

Y. Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", Scientific Programming 2020
(1911.03599); M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
"""

from torch import Tensor, nn

#: MobileNetV2's stages: channels, blocks, stride of the first block. The pyramid reads the second, third, fifth and last.
_STAGES = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
_READ = (1, 2, 4, 6)
_STEM, _EXPANSION, _WIDTH = 32, 6, 24


class CenterFace(nn.Module):
    """Images to maps at a quarter of their size. The batch norms are folded into the convolutions: it is not for training.

    Examples:
        >>> import torch
        >>> heat, size, offset, points = CenterFace()(torch.zeros(1, 3, 64, 96))
        >>> heat.shape, points.shape
        (torch.Size([1, 1, 16, 24]), torch.Size([1, 10, 16, 24]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, _STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        channels = _STEM
        for out, n_blocks, stride in _STAGES:
            first = _Block(channels, out, stride, _EXPANSION if self.stages else 1)
            self.stages.append(nn.Sequential(first, *(_Block(out, out, 1, _EXPANSION) for _ in range(n_blocks - 1))))
            channels = out
        self.laterals = nn.ModuleList(_conv(_STAGES[i][0], _WIDTH, 1) for i in _READ)
        self.ups = nn.ModuleList(nn.Sequential(nn.ConvTranspose2d(_WIDTH, _WIDTH, 2, stride=2), nn.ReLU(inplace=True)) for _ in _READ[1:])
        self.smooth = _conv(_WIDTH, _WIDTH, 3)
        self.heat, self.size, self.offset, self.points = (nn.Conv2d(_WIDTH, n, 1) for n in (1, 2, 2, 10))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Faces as points.

        Args:
            images: (N, 3, H, W), RGB in [0, 255]; H and W are multiples of 32.

        Returns:
            Maps (N, C, H / 4, W / 4), in this order of channels. First the probability of a face's middle, then the logarithms of
            height and width in cells. Then how far the middle lies below and to the right of the cell's, in cells. Last five
            points, y and x each, in heights and widths from the box's upper left corner.
        """
        x, read = self.stem(images), []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _READ:
                read.append(x)
        *lower, top = (lateral(x) for lateral, x in zip(self.laterals, read, strict=True))
        for up, lateral in zip(self.ups, reversed(lower), strict=True):
            top = up(top) + lateral
        top = self.smooth(top)
        return self.heat(top).sigmoid(), self.size(top), self.offset(top), self.points(top)


class _Block(nn.Module):
    """An inverted residual: widen, filter each channel, narrow."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        widen = [_conv(channels, wide, 1)] if expansion > 1 else []
        self.layers = nn.Sequential(*widen, _conv(wide, wide, 3, stride, groups=wide), nn.Conv2d(wide, out, 1))
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


def _conv(channels: int, out: int, side: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, side, stride, side // 2, groups=groups), nn.ReLU(inplace=True))
