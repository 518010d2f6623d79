"""Small U-Nets that find the pixels of glasses, and of what stands before a face.

O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Block(nn.Sequential):
    """Convolutions of three pixels, the first one with a stride, each with its normalisation."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1, n: int = 1) -> None:
        layers: list[nn.Module] = []
        for i in range(n):
            layers += [nn.Conv2d(n_out if i else n_in, n_out, 3, 1 if i else stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
        super().__init__(*layers)


class MaskFinder(nn.Module):
    """An aligned crop, or a part of one, to the logits of masks.

    Args:
        width: channels at full size; twice as many at every halving.
        n_masks: how many.
    """

    def __init__(self, width: int, n_masks: int) -> None:
        super().__init__()
        self.width = width
        widths = [width * 2**i for i in range(5)]
        self.stem = _Block(3, widths[0])
        self.down = nn.ModuleList(_Block(i, o, 2, 2) for i, o in pairwise(widths))
        self.up = nn.ModuleList(_Block(i + o, o) for i, o in pairwise(widths[::-1]))
        self.head = nn.Conv2d(widths[0], n_masks, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1], RGB, sides multiples of 16, to logits (N, n_masks, H, W)."""
        seen = [self.stem(images)]
        for block in self.down:
            seen.append(block(seen[-1]))
        x = seen.pop()
        for block in self.up:
            beside = seen.pop()
            x = block(torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), beside], dim=1))
        return self.head(x)  # type: ignore[no-any-return]


class GlassesFinder(MaskFinder):
    """The eyes' part of an aligned crop (N, 3, 144, 256) to the logits of frame and lenses; ``width`` as for `MaskFinder`."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width, 2)


class ObjectsFinder(MaskFinder):
    """An aligned crop (N, 3, 128, 128) to the logits of what stands before the face; ``width`` as for `MaskFinder`."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width, 1)
