"""MobileFaceNet: a small recogniser, used as a second opinion in training.

S. Chen, Y. Liu, X. Gao, Z. Han, "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile
Devices", CCBR 2018 (1804.07573), table 1.
"""

from torch import Tensor, nn

#: Expansion, channels, repeats, stride of the bottlenecks.
_BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class _Conv(nn.Module):
    def __init__(
        self, n_in: int, n_out: int, kernel: int | tuple[int, int], stride: int, padding: int, groups: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(n_out)
        self.prelu = nn.Identity() if linear else nn.PReLU(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.prelu(self.bn(self.conv(x)))  # type: ignore[no-any-return]


class _Bottleneck(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = n_in * expansion
        self.connect = stride == 1 and n_in == n_out
        self.conv = nn.Sequential(
            nn.Conv2d(n_in, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, n_out, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.connect else y


class MobileFaceNet(nn.Module):
    """Crops (N, 3, 112, 96), RGB in about [-1, 1], to embeddings (N, 128), not of unit norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Conv(3, 64, 3, 2, 1)
        self.dw_conv1 = _Conv(64, 64, 3, 1, 1, groups=64)
        blocks, n_in = [], 64
        for expansion, n_out, repeats, stride in _BOTTLENECKS:
            for i in range(repeats):
                blocks.append(_Bottleneck(n_in, n_out, stride if i == 0 else 1, expansion))
                n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = _Conv(128, 512, 1, 1, 0)
        self.linear7 = _Conv(512, 512, (7, 6), 1, 0, groups=512, linear=True)
        self.linear1 = _Conv(512, 128, 1, 1, 0, linear=True)

    def forward(self, crops: Tensor) -> Tensor:
        x = self.blocks(self.dw_conv1(self.conv1(crops)))
        return self.linear1(self.linear7(self.conv2(x))).flatten(1)  # type: ignore[no-any-return]
