"""Commands as processes of their own, with the time and the memory that they take."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deid.core.errors import DataError

#: On Linux the most memory of a process counts what it was forked from: a small program starts the command, and measures it.
_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - start
code = process.returncode = os.waitstatus_to_exitcode(status)
with open(sys.argv[1], "w") as file:
    json.dump([code, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss], file)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took.

    Args:
        wall_s: seconds from its start to its end.
        cpu_s: seconds of all cores, in the program and in the system.
        peak_mb: most memory at a time.
        output: what it wrote.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str = ""


def run(command: Sequence[str], path: Path | None = None) -> Run:
    """Run a command to its end; ``path`` is the folder of the package that Python is to find.

    Raises:
        DataError: it failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        output, wrong, taken = (Path(scratch) / name for name in ("out", "err", "taken"))
        with output.open("wb") as out, wrong.open("wb") as err:
            subprocess.run(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(taken), *command],
                stdout=out,
                stderr=err,
                env=_environment(path),
                check=False,
            )
        code, wall, cpu, peak = json.loads(taken.read_text())
        if code:
            raise DataError(f"expected {command[0]} to succeed, it ended with {code}: {wrong.read_text()[-300:]}")
        # Linux counts in KiB, macOS in bytes.
        return Run(wall, cpu, peak / (1024 if sys.platform == "linux" else 1024**2), output.read_text())


def _environment(path: Path | None) -> dict[str, str]:
    """Variables of a command. It may keep its bytecode, as an installed package has its own: else each start compiles it."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return found if path is None else found | {"PYTHONPATH": str(path)}
