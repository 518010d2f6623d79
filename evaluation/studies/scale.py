"""What a photo of a data set costs, and from that how long many workers need for a million photos: measured, then simulated.

A command over all photos less one over a single photo leaves out what starting takes. The simulation assumes that a photo's time is
gamma-distributed, that storage keeps up, and that cores of one machine do not slow each other.
"""

import heapq
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import deid
from deid.core.errors import DataError
from evaluation import datasets
from evaluation.results import Measure, Results, environment
from evaluation.studies.launch import Run, run
from evaluation.studies.options import StudyOptions

#: What is measured, by name: `--method` of the command.
_METHODS = {"blur": "blur", "new faces": "attgan"}
_MILLION, _WORKERS = 1_000_000, (1, 16, 256)
#: Shape of the distribution of a photo's time.
_SHAPE = 2.0
#: Seconds in which the parent answers a worker, one at a time, while the worker processes the photo in its queue. Measured with 0.1.0 over
#: 10 562 photos of LFW: the parent lists, hands out and notes a file in that CPU time.
PARENT_S = 0.0006
#: Seconds that a worker needs to start, and hours after which one dies on average.
START_S, LIFE_H = 15.0, 24.0


def scale(options: StudyOptions) -> Results:
    """CPU time a photo of `deid dataset` with one worker, and hours for a million of them.

    Raises:
        DataError: LFW is not there, fewer than two photos are to be measured, or a command failed.
    """
    if options.people < 2:
        raise DataError(f"expected --people of 2 or more, one photo each, got {options.people}")
    options.stage("data sets", 2 * len(_METHODS))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        datasets.export(datasets.people(datasets.lfw(), options.people, 1), folder / "all")
        photos = sorted(path for path in (folder / "all").rglob("*") if path.is_file())
        (folder / "one").mkdir()
        shutil.copy(photos[0], folder / "one")
        runs = {name: [_run(folder, of, method, options) for of in ("one", "all")] for name, method in _METHODS.items()}
    settings = {"photos": len(photos), "workers": 1, "seed": options.seed}
    found = [m for name, (one, whole) in runs.items() for m in measures(name, one, whole, len(photos))]
    return Results(
        kind="study", title="scale: a data set of LFW's photos", settings=settings, environment=environment(), measures=tuple(found)
    )


def _run(folder: Path, photos: str, method: str, options: StudyOptions) -> Run:
    """The command over a folder of photos."""
    words = [sys.executable, "-P", "-m", "deid", "dataset", str(folder / photos), "-o", str(folder / f"{photos}-{method}")]
    done = run([*words, "--method", method, "--workers", "1", "--seed", str(options.seed)], Path(deid.__file__).parents[1])
    options.tick()
    return done


def measures(name: str, one: Run, whole: Run, n: int) -> Iterator[Measure]:
    """What a photo costs, by a run over one and a run over ``n``, and hours for a million."""
    photo_s = (whole.cpu_s - one.cpu_s) / (n - 1)
    yield _measure("one worker", f"{name}, CPU seconds a photo", photo_s, "s", n)
    yield _measure("one worker", f"{name}, CPU seconds of a run with one photo", one.cpu_s, "s", 1)
    yield _measure("one worker", f"{name}, peak memory of a process", whole.peak_mb, "MB", n)
    for workers in _WORKERS:
        time_h = hours(_MILLION, workers, photo_s)
        yield _measure("a million photos, simulated", f"{name}, {workers} workers", time_h, "h", _MILLION)
        yield _measure("a million photos, simulated", f"{name}, {workers} workers, core hours", time_h * workers, "h", _MILLION)


def hours(photos: int, workers: int, photo_s: float, seed: int = 0) -> float:
    """Hours until the last of several photos is done, when a photo takes ``photo_s`` of a worker's time on average.

    Examples:
        >>> round(hours(1000, 1, 3.6), 1)
        1.0
    """
    rng, parent, ends = random.Random(seed), 0.0, 0.0
    queued = [0.0] * workers
    # When each worker is done with what it has.
    free = [(START_S, worker) for worker in range(workers)]
    for _ in range(photos):
        now, worker = heapq.heappop(free)
        begins, parent = max(now, queued[worker]), max(parent, now) + PARENT_S
        # The parent notes the photo that is done and sends one more.
        queued[worker] = parent
        done = begins + rng.gammavariate(_SHAPE, photo_s / _SHAPE)
        if rng.random() < photo_s / (LIFE_H * 3600):
            # The worker died: the next one does the photo again.
            done += START_S + photo_s
        ends = max(ends, done)
        heapq.heappush(free, (done, worker))
    return ends / 3600


def _measure(section: str, name: str, value: float, unit: str, n: int) -> Measure:
    return Measure(section=section, name=name, value=value, n=n, better="lower", unit=unit)
