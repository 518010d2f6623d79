"""The network of dlib's face recogniser, layer by layer as dlib computes it.

It is a residual network of 29 convolutions with half the usual filters, 99.38 % on LFW.

D. King, "High Quality Face Recognition with Deep Metric Learning", 2017.
K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        # dlib pads a convolution only when its stride is 1.
        first = nn.Conv2d(n_in, n_out, 3, stride, padding=1 if stride == 1 else 0)
        self.layers = nn.Sequential(first, nn.ReLU(), nn.Conv2d(n_out, n_out, 3, 1, padding=1))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        skip = x if self.stride == 1 else functional.avg_pool2d(x, 2, 2)
        return functional.relu(_add_padded(y, skip))


def _add_padded(a: Tensor, b: Tensor) -> Tensor:
    """dlib's `add_prev`: the smaller of two maps counts as zero where it ends, in channels, rows and columns."""
    if a.shape == b.shape:
        return a + b
    shape = [max(s, t) for s, t in zip(a.shape[1:], b.shape[1:], strict=True)]

    def pad(x: Tensor) -> Tensor:
        c, h, w = (want - have for want, have in zip(shape, x.shape[1:], strict=True))
        return functional.pad(x, (0, w, 0, h, 0, c))

    return pad(a) + pad(b)


class DlibResNet(nn.Module):
    """Chips (N, 3, 150, 150), RGB in [0, 255], to descriptors (N, 128) as dlib gives them (not of unit norm).

    dlib's `affine_` layers, batch norms with their statistics folded in, are part of the convolutions that they follow.

    Args:
        blocks: filters and stride of the residual blocks, from the input upward.
        widths: of the input of the last layer, and of the descriptor.
    """

    def __init__(self, blocks: Sequence[tuple[int, int]], widths: tuple[int, int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 7, 2), nn.ReLU())
        ins = [32, *(n_out for n_out, _ in blocks)]
        self.blocks = nn.Sequential(*(_Block(n_in, *block) for n_in, block in zip(ins, blocks, strict=False)))
        self.fc = nn.Linear(*widths, bias=False)
        self.register_buffer("mean", torch.tensor([122.782, 117.001, 104.298]).view(3, 1, 1), persistent=False)

    def forward(self, chips: Tensor) -> Tensor:
        mean: Tensor = self.mean  # type: ignore[assignment]
        x = (chips - mean) / 256.0
        x = functional.max_pool2d(self.stem(x), 3, 2)
        x = self.blocks(x)
        return self.fc(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]
