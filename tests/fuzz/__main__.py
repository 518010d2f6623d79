"""All fuzzers, one after another, outside the usual suite; the exit code is 1 when any found something.

python -m tests.fuzz                 # 3000 pictures, 200 broken videos, 500 drawn ones, 200 tables, 200 shards
python -m tests.fuzz --seed 1        # others
python -m tests.fuzz --share 0.1     # a tenth of them
"""

import argparse
import subprocess
import sys
from pathlib import Path

#: How many inputs each fuzzer draws; each is a file beside this one and a command of its own.
COUNTS = {"pictures": 3000, "broken_videos": 200, "tables": 200, "shards": 200, "videos": 500}


def main() -> int:
    """Run the fuzzers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="seed of each fuzzer's first input. Default: 0")
    parser.add_argument("--share", type=float, default=1.0, help="draw this share of the inputs. Default: 1")
    parser.add_argument("--only", choices=sorted(COUNTS), nargs="+", default=list(COUNTS), help="run these alone. Default: all")
    given = parser.parse_args()
    codes = {name: _run(name, max(1, round(given.share * COUNTS[name])), given.seed) for name in given.only}
    print("; ".join(f"{name}: {'nothing found' if code == 0 else f'exit code {code}'}" for name, code in codes.items()))
    return int(any(codes.values()))


def _run(name: str, count: int, seed: int) -> int:
    folder = Path(__file__).parent
    command = [sys.executable, str(folder / f"{name}.py"), "--count", str(count), "--seed", str(seed)]
    # A crash of a decoder ends its own process alone.
    return subprocess.run(command, cwd=folder.parents[1], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
