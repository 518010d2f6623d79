"""Networks prepared for a CPU: batch norms and activations folded into the convolutions, weights laid out once.

oneDNN, which computes torch's convolutions, wants weights in a layout of its own, and torch brings them there anew at every call.
For one face that is half of what a pass through the generator takes: 41 ms, and 24 ms with the weights laid out before.
"""

import copy
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

NetworkT = TypeVar("NetworkT", bound=nn.Module)
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_Activation: TypeAlias = tuple[str, list[float], str]
_NONE: _Activation = ("none", [], "")


def packed(network: NetworkT) -> NetworkT:
    """A copy that gives the same answers faster on a CPU, in evaluation mode; it cannot be trained, saved or moved.

    Elsewhere, or where this torch cannot, it is the network itself.

    Args:
        network: single precision; its convolutions' activations follow them in the same `nn.Sequential`.
    """
    plain = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in network.parameters())
    return _packed(network) if plain and _able() else network


@cache
def _able() -> bool:
    """Whether torch has what its own compiler puts in the place of convolutions, and it does as they do: no version promises it."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            down = nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.LeakyReLU(0.2))
            small = nn.Sequential(down, nn.Sequential(nn.ConvTranspose2d(3, 2, 4, 2, 1), nn.Tanh()))
            image = torch.linspace(-2, 2, 128).reshape(1, 2, 8, 8)
            return torch.allclose(_packed(small)(image), small(image), atol=1e-5)
    except (AttributeError, RuntimeError, TypeError):
        return False


def _packed(network: NetworkT) -> NetworkT:
    with torch.no_grad():
        return _replaced(copy.deepcopy(network).eval().requires_grad_(False))


class _Convolution(nn.Module):
    """A convolution and what is done to each of its numbers. The first input says which layout is best, for so many threads: with
    another number oneDNN has other code, and slow one for this layout."""

    def __init__(self, convolution: nn.Conv2d | nn.ConvTranspose2d, activation: _Activation) -> None:
        super().__init__()
        c, self._activation = convolution, activation
        self._plain, self._bias = c.weight.contiguous(), c.bias
        self._turned = isinstance(c, nn.ConvTranspose2d)
        self._how: list[Any] = [list(c.padding), list(c.stride), list(c.dilation), c.groups]
        if isinstance(c, nn.ConvTranspose2d):
            self._how.insert(1, list(c.output_padding))
        self._by_threads: dict[int, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        laid_out = self._by_threads.get(n := torch.get_num_threads())
        if laid_out is None:
            laid_out = self._by_threads[n] = self._lay_out([1, *x.shape[1:]])
        operator = torch.ops.mkldnn._convolution_transpose_pointwise if self._turned else torch.ops.mkldnn._convolution_pointwise
        return operator(x, laid_out, self._bias, *self._how, *self._activation)  # type: ignore[no-any-return]

    def _lay_out(self, shape: list[int]) -> Tensor:
        if self._turned:
            return torch.ops.mkldnn._reorder_convolution_transpose_weight(self._plain, *self._how, shape)  # type: ignore[no-any-return]
        # Without a shape a layout may come out for which there is no fast code.
        reorder: Callable[..., Tensor] = torch._C._nn.mkldnn_reorder_conv2d_weight
        return reorder(self._plain.to_mkldnn(), *self._how, shape)


def _replaced(module: NetworkT) -> NetworkT:
    """The module with its convolutions packed, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Sequential):
            setattr(module, name, _replaced(nn.Sequential(*_folded(list(child)))))
        elif isinstance(child, _CONVOLUTIONS):
            setattr(module, name, _Convolution(child, _NONE))
        else:
            _replaced(child)
    return module


def _folded(layers: list[nn.Module]) -> Iterator[nn.Module]:
    """Layers one after another, each convolution with the batch norm and the activation that follow it."""
    layers = [*layers, nn.Identity()]
    while len(layers) > 1:
        layer = layers.pop(0)
        if isinstance(layer, _CONVOLUTIONS):
            if isinstance(norm := layers[0], nn.BatchNorm2d):
                layer = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
                layers.pop(0)
            activation = _activation(layers[0])
            if activation != _NONE:
                layers.pop(0)
            layer = _Convolution(layer, activation)
        yield layer


def _activation(layer: nn.Module) -> _Activation:
    """oneDNN's name and parameters of an activation; empty for any other layer."""
    if isinstance(layer, nn.ReLU):
        return "relu", [], ""
    if isinstance(layer, nn.LeakyReLU):
        return "leaky_relu", [layer.negative_slope], ""
    if isinstance(layer, nn.Tanh):
        return "tanh", [], ""
    return _NONE
