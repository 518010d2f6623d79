"""A generator's decoder with less to compute and the same to say.

A layer of many channels hears much twice. What it is given is brought to fewer numbers first, those of which the layer's answers
to real faces suffer least: X. Zhang, J. Zou, K. He, J. Sun, "Accelerating Very Deep Convolutional Networks for Classification and
Detection", TPAMI 2016, without the activation. The rest of the layer spreads these.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deid.models.attgan import Generator

#: Of the mean variance of a layer's inputs, added to each: what faces seldom show keeps its place.
_DAMPING = 1e-4
#: Of torch's batch norm; and what counts for channels that it silences.
_EPSILON, _LEAST_SCALE = 1e-5, 1e-6


@torch.no_grad()
def factored(generator: Generator, ranks: Sequence[int], show: Callable[[Generator], Any]) -> Generator:
    """A generator without ranks as one with ranks, in evaluation mode.

    Args:
        generator: what to imitate.
        ranks: as in `Generator`.
        show: runs a generator on what it shall do as well as before.
    """
    seen = [torch.zeros(()) for _ in ranks]
    generator = generator.eval()
    layers = [block.get_submodule("layers") for block in generator.dec_layers][: len(ranks)]
    handles = [layer.register_forward_pre_hook(partial(_add_up, seen, i)) for i, layer in enumerate(layers)]
    show(generator)
    for handle in handles:
        handle.remove()
    out = Generator(generator.width, generator.n_attributes, generator.n_codes, ranks).to(seen[0].device).eval()
    plain = {name: value for name, value in generator.state_dict().items() if not name.startswith("dec_layers")}
    for i, block in enumerate(generator.dec_layers):
        for name, value in block.state_dict().items():
            _, index, rest = name.split(".")
            plain[f"dec_layers.{i}.layers.{int(index) + (i < len(ranks))}.{rest}"] = value
    for i, layer in enumerate(layers):
        first, second = (f"dec_layers.{i}.layers.{j}.weight" for j in (0, 1))
        plain[first], plain[second] = _split(layer.state_dict(), seen[i], ranks[i])
    out.load_state_dict(plain)
    return out


def _add_up(seen: list[Tensor], i: int, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    rows = inputs[0].transpose(0, 1).flatten(1).double()
    seen[i] = seen[i] + rows @ rows.T


def _split(layer: Mapping[str, Tensor], moments: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Weights of the 1x1 convolution (rank, C, 1, 1) and of the transposed one after it (rank, C', 4, 4).

    Args:
        layer: tensors of a transposed convolution (0) and its batch norm (1).
        moments: (C, C) second moments of its inputs.
        rank: channels between the two.
    """
    weight = layer["0.weight"].double()
    # An error counts as much as it is seen behind the batch norm.
    scale = (layer["1.weight"] / (layer["1.running_var"] + _EPSILON).sqrt()).double()[:, None, None]
    scale = torch.where(scale.abs() < _LEAST_SCALE, _LEAST_SCALE, scale)
    n = len(moments)
    moments = moments + _DAMPING * moments.diagonal().mean() * torch.eye(n, device=moments.device)
    values, axes = torch.linalg.eigh(moments)
    root, unroot = axes * values.sqrt(), axes / values.sqrt()
    left, sizes, right = torch.linalg.svd(root.T @ (weight * scale).flatten(1), full_matrices=False)
    narrow = (unroot @ left[:, :rank]).T
    spread = (sizes[:rank, None] * right[:rank]).reshape(rank, *weight.shape[1:]) / scale
    # Both learn on at one rate: their sizes are made alike.
    size = (spread.square().mean() / narrow.square().mean()).sqrt().sqrt()
    return (narrow * size)[:, :, None, None].float(), (spread / size).float()
