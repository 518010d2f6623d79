"""Transposed convolutions as plain ones give the same pixels."""

import pytest
import torch
from torch import nn

from deid.models.subpixel import subpixel


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("normed", [True, False])
def test_gives_what_the_layer_gives(bias: bool, normed: bool) -> None:
    torch.manual_seed(0)
    layer, norm = nn.ConvTranspose2d(5, 3, 4, 2, 1, bias=bias), nn.BatchNorm2d(3).eval()
    for values in (norm.weight, norm.bias, norm.running_mean):
        assert values is not None
        nn.init.normal_(values)
    assert norm.running_var is not None
    nn.init.uniform_(norm.running_var, 0.5, 2)
    x = torch.randn(2, 5, 4, 7)
    with torch.inference_mode():
        expected = norm(layer(x)) if normed else layer(x)
        found = subpixel(x, layer, norm if normed else None)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
