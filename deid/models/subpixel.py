"""Transposed convolutions as plain ones, for onnxruntime, which computes the plain ones several times faster.

W. Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016 (1609.07009).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Of a kernel of 4 with stride 2 and padding 1: the taps that an even and an odd output pixel take, from low to high.
_TAPS = ((3, 1), (2, 0))


def subpixel(x: Tensor, layer: nn.ConvTranspose2d, norm: nn.BatchNorm2d | None = None) -> Tensor:
    """What a transposed convolution gives, and the batch norm in evaluation mode that follows it.

    Each of the four output pixels that share a place in the input is a convolution of 2 x 2 of its own; all are computed together, each
    a pixel too far on two sides, which is cut away.

    Args:
        x: (N, C, H, W).
        layer: with a kernel of 4, stride 2 and padding 1.
        norm: folded into the convolution.

    Returns:
        (N, C', 2 H, 2 W).
    """
    n, _, h, w = x.shape
    weight, bias = layer.weight, layer.bias
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - norm.running_mean * scale
        weight, bias = weight * scale[None, :, None, None], shift if bias is None else bias * scale + shift
    kernels = [weight[:, :, list(ky)][:, :, :, list(kx)].transpose(0, 1) for ky in _TAPS for kx in _TAPS]
    all_four = functional.conv2d(x, torch.cat(kernels), None if bias is None else torch.cat([bias] * 4), padding=1)
    parts = all_four.reshape(n, 4, layer.out_channels, h + 1, w + 1)
    kept = [parts[:, 2 * dy + dx, :, dy : dy + h, dx : dx + w] for dy in (0, 1) for dx in (0, 1)]
    return functional.pixel_shuffle(torch.stack(kept, dim=2).reshape(n, 4 * layer.out_channels, h, w), 2)
