"""Floating-point precision of training."""

import torch


def autocast(device: str) -> torch.autocast:
    """bf16 where the hardware computes in it. A CPU that only imitates it takes twice as long as in float32."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind != "cpu" or _cpu_has_bf16())


def _cpu_has_bf16() -> bool:
    # Underscored, so a torch without it counts as a CPU without.
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(ask() for ask in asked if ask is not None)
