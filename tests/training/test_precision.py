"""Training computes in bf16 where the hardware does."""

import pytest
import torch

from deid.training.precision import autocast


@pytest.mark.parametrize(("has", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_computes_in_what_it_can(has: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: has, raising=False)
    layer = torch.nn.Linear(4, 4)
    with autocast("cpu"):
        assert layer(torch.ones(1, 4)).dtype == expected


def test_a_torch_that_cannot_say_is_taken_for_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    with autocast("cpu"):
        assert torch.nn.Linear(4, 4)(torch.ones(1, 4)).dtype == torch.float32


def test_a_gpu_always_computes_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype, enabled: asked.update(kind=kind, dtype=dtype, enabled=enabled))
    autocast("cuda:1")
    assert asked == {"kind": "cuda", "dtype": torch.bfloat16, "enabled": True}
