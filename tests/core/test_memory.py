"""Memory that was freed goes back to the system."""

import platform
import subprocess
import sys

import pytest

#: After many arrays of 3 MB were freed, a small one that came last keeps them from the end of the heap.
_PROGRAM = """
import sys
import numpy as np
from deid.core.memory import give_back
if "back" in sys.argv:
    give_back()
# A freed array that is mapped makes the C library keep the next ones of its size.
first = np.ones(30 << 20, np.uint8)
del first
held = []
for _ in range(40):
    held.append((np.ones(3 << 20, np.uint8), np.ones(90_000, np.uint8)))
held = [small for _, small in held]
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


def _resident_mb(*arguments: str) -> float:
    told = subprocess.run([sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=True)
    return int(told.stdout) / 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_freed_arrays_go_back_to_the_system() -> None:
    assert _resident_mb() - _resident_mb("back") > 60
