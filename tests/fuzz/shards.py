"""Shards that are joined, cut or damaged: what is whole is done, what is not is named, no mark is left, and nothing is called verified.

python tests/fuzz/shards.py --count 200 --seed 0

Every shard has its own seed, printed when it goes wrong: `--count 1 --seed N` draws it again.
"""

import io
import sys
import tarfile
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz import inputs

Random = np.random.Generator
DAMAGES = (
    *("none", "joined", "joined thrice", "cut", "cut between blocks", "a bit", "bits"),
    *("a block of zeros", "a block put in", "a block lost", "tail"),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A shard.

    Args:
        data: its bytes.
        members: names of its members, before it was damaged.
        damage: what was done to it.
    """

    data: bytes
    members: list[str]
    damage: str


def draw(rng: Random) -> Drawn:
    """Draw a shard and damage it."""
    damage = str(rng.choice(DAMAGES))
    data, members = _shard(rng)
    if damage.startswith("joined"):
        for _ in range(2 if damage.endswith("thrice") else 1):
            more, names = _shard(rng)
            data, members = data + more, members + names
    return Drawn(_damaged(data, damage, rng), members, damage)


def _shard(rng: Random) -> tuple[bytes, list[str]]:
    buffer, names = io.BytesIO(), []
    kind = int(rng.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    with tarfile.open(fileobj=buffer, mode="w:", format=kind) as shard:
        for i in range(rng.integers(1, 7)):
            long = "" if kind == tarfile.USTAR_FORMAT or rng.random() < 0.7 else "ü" * int(rng.integers(60, 120))
            if rng.random() < 0.7:
                name, data = f"{i}{long}.png", inputs.picture(rng)[0]
            else:
                name, data = f"{i}{long}.txt", b"label\n" * int(rng.integers(0, 300))
            header = tarfile.TarInfo(name)
            header.size = len(data)
            shard.addfile(header, io.BytesIO(data))
            names.append(name)
    return buffer.getvalue(), names


def _damaged(data: bytes, damage: str, rng: Random) -> bytes:
    raw, at = bytearray(data), int(rng.integers(len(data)))
    block = at // 512 * 512
    if damage == "cut":
        del raw[at:]
    elif damage == "cut between blocks":
        del raw[block:]
    elif damage in {"a bit", "bits"}:
        for place in rng.integers(0, len(raw), 1 if damage == "a bit" else 20):
            raw[place] ^= 1 << int(rng.integers(8))
    elif damage == "a block of zeros":
        raw[block : block + 512] = bytes(512)
    elif damage == "a block put in":
        raw[block:block] = rng.bytes(512)
    elif damage == "a block lost":
        del raw[block : block + 512]
    elif damage == "tail":
        raw += rng.bytes(int(rng.integers(1, 2000)))
    return bytes(raw)


def wrong_with(seed: int) -> str:
    """What went wrong with the shard of a seed, or nothing."""
    drawn = draw(np.random.default_rng(seed))
    with inputs.scratch() as name:
        path = Path(name) / "s.tar"
        path.write_bytes(drawn.data)
        try:
            found = inputs.outcome(path, Path(name) / "out")
        except Exception:
            return f"{drawn.damage}: {traceback.format_exc()}"
    return f"{drawn.damage}: {why}" if (why := _wrong(drawn, found)) else ""


def _wrong(drawn: Drawn, found: inputs.Outcome) -> str:
    whole = drawn.damage in {"none", "joined", "joined thrice"}
    if found.error:
        return f"refused as a whole: {found.error}" if whole else ""
    out = _members(found.outputs["s.tar"])
    if left := [name for name, data in out if name.endswith(".png") and inputs.has_mark(data)]:
        return f"a mark is left in {left}"
    if found.totals.pending or len(out) + len(found.failed) != found.totals.files or not all(found.failed.values()):
        return f"not all are accounted for: {found.totals}, {found.failed}"
    lost = Counter(drawn.members) - Counter(name for name, _ in out)
    if whole and (lost or found.failed or found.problems):
        return f"a good shard gave {found.totals}, {found.failed}, {found.problems}"
    if lost and not found.failed:
        return f"{lost} are gone, and nothing is said"
    if bool(found.problems) != bool(found.totals.failed):
        return f"--verify says {found.problems} where {found.failed} failed"
    return ""


def _members(data: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as shard:
        return [(member.name, shard.extractfile(member).read()) for member in shard]  # type: ignore[union-attr]


if __name__ == "__main__":
    sys.exit(inputs.main(__doc__, "shards", wrong_with))
