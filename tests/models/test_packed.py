"""Packed networks give the answers of the networks that they were made of."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from deid.models import packed as packed_module
from deid.models.packed import packed
from deid.weights import modules


class _Everything(nn.Module):
    """All that can be folded, and what cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2), nn.MaxPool2d(2))
        self.each = nn.ModuleList([nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Sigmoid()), nn.Conv2d(8, 16, 1)])
        self.up = nn.Sequential(nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.BatchNorm2d(8))
        self.out = nn.Sequential(nn.Sequential(nn.ConvTranspose2d(8, 3, 3, 2, 1, 1), nn.Tanh()))
        for norm in (m for m in self.modules() if isinstance(m, nn.BatchNorm2d)):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
            nn.init.uniform_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        for layer in self.each:
            x = layer(x)
        return self.out(self.up(x))  # type: ignore[no-any-return]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("n", [1, 3])
def test_every_layer_answers_alike(n: int, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    network = _Everything().eval().to(memory_format=layout)
    ready = packed(network)
    assert ready is not network
    with torch.inference_mode():
        for side in (32, 48):
            x = torch.randn(n, 3, side, side).contiguous(memory_format=layout)
            torch.testing.assert_close(ready(x), network(x), atol=1e-5, rtol=1e-5)


def test_shipped_generator_answers_alike() -> None:
    network = modules.load_generator()
    torch.manual_seed(0)
    images, wanted = torch.rand(2, 3, 128, 128) * 2 - 1, torch.randn(2, network.n_attributes)
    with torch.inference_mode():
        torch.testing.assert_close(packed(network)(images, wanted), network(images, wanted), atol=1e-5, rtol=0)


def test_network_itself_stays_as_it_was() -> None:
    network = _Everything().train()
    before = copy.deepcopy(network.state_dict())
    packed(network)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network(torch.rand(1, 3, 32, 32)).sum().backward()


@pytest.mark.parametrize("missing", ["_convolution_pointwise", "_reorder_convolution_transpose_weight"])
def test_torch_without_an_operator_packs_nothing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*args: object) -> None:
        raise AttributeError(missing)

    monkeypatch.setattr(torch.ops.mkldnn, missing, absent)
    packed_module._able.cache_clear()
    network = _Everything()
    assert packed(network) is network
    monkeypatch.undo()
    packed_module._able.cache_clear()
    assert packed(network) is not network


@pytest.mark.parametrize("change", [nn.Module.double, lambda n: n.to("meta")], ids=["double", "elsewhere"])
def test_what_cannot_be_packed_is_left_alone(change: Callable[[nn.Module], nn.Module]) -> None:
    network = change(_Everything())
    assert packed(network) is network
