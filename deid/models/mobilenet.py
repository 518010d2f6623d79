"""A MobileNet that recognises faces, trained on VGGFace2.

A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017.
A. Savchenko, "Efficient Facial Representations for Age, Gender and Identity Recognition in Organizing Photo Albums Using
Multi-output ConvNet", PeerJ Computer Science, 2019.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Mean colour of what it was trained on, RGB.
_MEAN = (123.68, 116.779, 103.939)
#: Channels of each separable layer, and how far it moves.
_LAYERS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *(((512, 1),) * 5), (1024, 2), (1024, 1))


class _Layer(nn.Module):
    """A convolution with its batch norm folded in, and a ReLU6."""

    def __init__(self, n_in: int, n_out: int, side: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, side, stride, groups=groups)
        # As TensorFlow pads: where a stride of two leaves one row over, it is below and to the right.
        self._pads = (0, 0) if side == 1 else ((0, 1) if stride == 2 else (1, 1))

    def forward(self, images: Tensor) -> Tensor:
        c = self.convolution
        if not torch.onnx.is_in_onnx_export():
            return c(functional.pad(images, self._pads * 2)).clamp(0, 6)  # type: ignore[no-any-return]
        # In a graph a padding of its own would take a third of the time. One that is the same on all sides belongs to the convolution,
        # whose filter then has a row and a column of zeros before its own.
        before, after = self._pads
        weight = c.weight
        for axis in (2, 3) if before < after else ():
            weight = torch.cat([torch.zeros_like(weight.select(axis, 0).unsqueeze(axis)), weight], dim=axis)
        return functional.conv2d(images, weight, c.bias, c.stride, after, groups=c.groups).clamp(0, 6)


class FaceMobileNet(nn.Module):
    """Faces (N, 3, H, W), RGB in [0, 255], to descriptors (N, 1024), which are not scaled to unit norm."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers, n_in = [_Layer(3, 32, 3, 2)], 32
        for n_out, stride in _LAYERS:
            layers += [_Layer(n_in, n_in, 3, stride, groups=n_in), _Layer(n_in, n_out, 1, 1)]
            n_in = n_out
        self.layers = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images - self.mean).mean(dim=(2, 3))  # type: ignore[no-any-return]
