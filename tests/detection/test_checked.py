"""The memory of networks after the search of a large picture."""

import sys
from pathlib import Path

import numpy as np
import pytest

from deid.core.types import Detection, Image
from deid.detection.checked import detect
from deid.weights.networks import open_network

pytest.importorskip("onnxruntime")


class _Searching:
    """A detector that asks a network for much, and finds nothing."""

    name = "searching"

    def __init__(self) -> None:
        self._network = open_network("centerface", "cpu")
        self.resident_mb = 0.0

    def detect(self, image: Image) -> list[Detection]:
        self._network(np.zeros((1, 1024, 1024, 3), np.uint8))
        self.resident_mb = _resident_mb()
        return []


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("side", "gives_back"), [(4000, True), (400, False)])
def test_memory_is_given_back_before_a_large_picture_is_copied(side: int, gives_back: bool) -> None:
    detector, image = _Searching(), np.zeros((side, side, 3), np.uint8)
    assert detect(detector, image) == []
    assert (_resident_mb() < detector.resident_mb - 40) == gives_back
