"""A factored generator does what it was shown as before, and what it was not shown as far as its ranks go."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deid.models.attgan import N_CODES, Generator
from deid.training.low_rank import factored

#: Inputs of the first two decoder layers at width 4: 64 channels and 29 wanted numbers; 64 channels, 32 of the shortcut and 29.
_WHOLE = (93, 125)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    network = Generator(4, n_codes=N_CODES)
    # Batch norms that have seen something, and one channel that they silence.
    network(torch.randn(8, 3, 128, 128), torch.randn(8, 13 + N_CODES))
    network.dec_layers[0].layers[1].weight.data[0] = 0.0
    return network.eval().requires_grad_(False)


def _faces(seed: int, n: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, 128, 128, generator=rng) * 2 - 1, torch.randn(n, 13 + N_CODES, generator=rng)


def _show(faces: tuple[Tensor, Tensor]) -> Callable[[Generator], Tensor]:
    return lambda network: network(*faces)


def test_with_all_ranks_it_is_the_same_function(generator: Generator) -> None:
    same = factored(generator, _WHOLE, _show(_faces(1, 32)))
    unseen = _faces(2, 4)
    torch.testing.assert_close(same(*unseen), generator(*unseen), atol=1e-4, rtol=1e-3)
    assert same.ranks == _WHOLE


def test_the_fewer_ranks_the_further_off(generator: Generator) -> None:
    seen, unseen = _faces(1, 32), _faces(2, 8)
    errors = [(factored(generator, (r, r), _show(seen))(*unseen) - generator(*unseen)).abs().mean() for r in (60, 30, 10)]
    assert 0 < errors[0] < errors[1] < errors[2]


def test_it_keeps_what_it_was_shown(generator: Generator) -> None:
    # One face has 16 places in its 4x4 map: as many ranks say all of it.
    shown, other = _faces(1, 1), _faces(2, 1)
    small = factored(generator, (16,), _show(shown))
    off = [(small(*face) - generator(*face)).abs().mean() for face in (shown, other)]
    assert off[0] < 0.05 * off[1]


def test_it_can_be_trained_and_leaves_the_generator_as_it_was(generator: Generator) -> None:
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    small = factored(generator, (8, 8), _show(_faces(1, 4)))
    small(*_faces(2, 2)).sum().backward()
    assert all(p.grad is not None for p in small.parameters())
    assert all(torch.equal(v, before[k]) for k, v in generator.state_dict().items())
    assert not any(layer.layers._forward_pre_hooks for layer in generator.dec_layers)
