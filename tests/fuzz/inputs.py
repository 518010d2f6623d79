"""What the fuzzers of tables and shards share: pictures with marks for faces, an engine that sees every mark, and runs in this process."""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.errors import DeidError
from deid.core.options import Options
from deid.core.types import Detection, Distance, FaceResult, Image, ImageResult, Verification
from deid.dataset import local
from deid.dataset.crew import Ready
from deid.dataset.ledger import Ledger, Totals
from deid.dataset.records import Record, Task
from deid.dataset.run import Plan, check, run
from deid.dataset.work import Work, Worker

SIZE_WH = (96, 64)
_MARK = 16


class Marks:
    """An engine whose faces are white squares; it covers what it is given, and what it sees where nothing is given."""

    def __init__(self) -> None:
        self.options = Options(method="solid")
        self.detector = self

    def detect(self, image: Image) -> list[Detection]:
        white = (image.min(axis=2) > 250).reshape(image.shape[0] // _MARK, _MARK, -1, _MARK).mean(axis=(1, 3)) > 0.5
        return [Detection(np.array([x, y, x + 1, y + 1]) * float(_MARK)) for y, x in np.argwhere(white)]

    def process(self, image: Image, detections: Sequence[Detection] | None = None, seed: int | None = None) -> ImageResult:
        found = list(detections) if detections is not None else self.detect(image)
        out, check = image.copy(), Verification((Distance("fake", 0.5, 0.4),), True, 0.9, 0.5, 0.5, None)
        for detection in found:
            x0, y0, x1, y1 = np.clip(detection.box_xyxy, 0, 4096).astype(int)
            out[y0:y1, x0:x1] = 0
        return ImageResult(out, tuple(FaceResult(d, "solid", "passed", check, seed=1) for d in found), 1)


def picture(rng: np.random.Generator) -> tuple[bytes, list[NDArray[np.float64]]]:
    """A PNG with up to four marks, and their boxes."""
    pixels = rng.integers(0, 200, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    cells = rng.choice(SIZE_WH[0] // _MARK * (SIZE_WH[1] // _MARK), rng.integers(0, 5), replace=False)
    boxes = []
    for cell in cells:
        y, x = divmod(int(cell), SIZE_WH[0] // _MARK)
        pixels[y * _MARK : (y + 1) * _MARK, x * _MARK : (x + 1) * _MARK] = 255
        boxes.append(np.array([x, y, x + 1, y + 1], np.float64) * _MARK)
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue(), boxes


def has_mark(data: bytes) -> bool:
    """Whether a mark is left in a picture."""
    with PillowImage.open(io.BytesIO(data)) as source:
        return bool(Marks().detect(np.asarray(source.convert("RGB"))))


@dataclass(slots=True)
class Outcome:
    """What became of one run.

    Args:
        error: that ended it, of ours; empty when it came to its end.
        totals: of the run.
        outputs: bytes by name.
        failed: reasons by name.
        problems: what `--verify` says.
    """

    error: str = ""
    totals: Totals = field(default_factory=Totals)
    outputs: dict[str, bytes] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def _inline(tasks: Iterator[Task], work: Work, workers: int) -> Iterator[Record | Ready]:
    worker = Worker(work)
    yield Ready(worker.versions())
    for task in tasks:
        yield worker.do(task)


def outcome(given: Path, out: Path) -> Outcome:
    """Run a data set in this process; an exception that is not ours goes through."""
    local.run = _inline
    plan = Plan(given=str(given), out=out, options=Options(method="solid", seed=1), make_engine=Marks)  # type: ignore[arg-type]
    try:
        totals = run(plan)
    except DeidError as error:
        return Outcome(str(error))
    with Ledger(plan.ledger) as ledger:
        failed = dict(ledger.select("SELECT name, why FROM files WHERE status IN ('failed', 'left out')"))
    outputs = {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}
    return Outcome("", totals, outputs, failed, [f"{p.name}: {p.what}" for p in check(plan)])


def scratch() -> Any:
    """A folder that goes away."""
    return tempfile.TemporaryDirectory(prefix="deid-fuzz-")


def main(description: str | None, what: str, wrong_with: Callable[[int], str]) -> int:
    """The command of a fuzzer: draw inputs by their seeds and say what went wrong with each; 1 when anything did."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help=f"Number of {what}. Default: 200")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the first one. Default: 0")
    options = parser.parse_args()
    n_wrong = 0
    for seed in range(options.seed, options.seed + options.count):
        if why := wrong_with(seed):
            n_wrong += 1
            print(f"seed {seed}: {why}")
    print(f"{options.count} {what}, {n_wrong} went wrong")
    return int(n_wrong > 0)
