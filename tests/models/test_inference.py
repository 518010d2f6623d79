"""What networks keep in memory between two answers."""

import sys
from pathlib import Path

import numpy as np
import pytest

from deid.models import inference
from deid.weights.networks import open_network

pytest.importorskip("onnxruntime")


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_given_back_when_asked() -> None:
    network = open_network("centerface", "cpu")
    small, large = np.zeros((1, 64, 64, 3), np.uint8), np.zeros((1, 1024, 1024, 3), np.uint8)
    network(large)
    kept = _resident_mb()
    inference.give_back()
    assert _resident_mb() < kept - 40
    network(large)
    before = _resident_mb()
    network(small)
    assert _resident_mb() > before - 40
