"""Time and memory of one photo with two faces, beside deface, which covers the detections of CenterFace.

Each command runs in its own process, in turn with the others, and so does each program with its models loaded. deface is measured where its
command is on the path, for example in an environment of its own. Without it, seconds and memory are reported without a ratio.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage

from deid.cli.demo import demo_photos
from deid.core.errors import DataError
from deid.core.types import Image
from deid.imaging import codec
from evaluation.datasets import data_folder
from evaluation.results import Measure, Results, environment
from evaluation.studies.options import StudyOptions

_SIZE = (1280, 720)
#: So many turns, and photos that a program with its models loaded does in a turn, the first of which does not count.
_TURNS, _PHOTOS = 5, 4
#: Most that may be taken, times what deface takes: the time and the memory of the command, and the time with models loaded.
_LIMITS = {"blur": (2.5, 1.6, 1.5), "new faces": (5.0, None, 3.0)}
_MOST_MB = 700.0
_OURS_LOADED = """
import json, sys, time
import numpy as np
from PIL import Image
from deid.anonymizer.engine import Anonymizer
from deid.core.options import Options
engine = Anonymizer(Options(method=sys.argv[2], seed=1))
engine.preload()
steps = {"first detection": [], "second detection": []}
class Timed:
    def __init__(self, name, detector):
        self.name, self.times, self.detector = detector.name, steps[name], detector
    def detect(self, image):
        start = time.process_time()
        found = self.detector.detect(image)
        self.times.append(time.process_time() - start)
        return found
engine.models.__dict__["detector"] = Timed("first detection", engine.models.detector)
engine.models.__dict__["second_detector"] = Timed("second detection", engine.models.second_detector)
image = np.asarray(Image.open(sys.argv[1]).convert("RGB"))
def work():
    engine.process(image)
"""
_DEFACE_LOADED = """
import json, sys, time
import imageio.v2 as imageio
from deface.centerface import CenterFace
from deface.deface import anonymize_frame
network = CenterFace()
steps = {}
image = imageio.imread(sys.argv[1])
def work():
    frame = image.copy()
    dets, _ = network(frame, threshold=0.2)
    anonymize_frame(dets, frame, 1.3, "blur", True, False, None, 20)
"""
_TIMED = f"""
times = []
for _ in range({_PHOTOS}):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    times.append((time.perf_counter() - wall, time.process_time() - cpu))
print(json.dumps([times[1:], {{name: of[1:] for name, of in steps.items()}}]))
"""

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
        told: what it wrote.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    told: str = ""


def speed(options: StudyOptions) -> Results:
    """Whole commands and programs with their models loaded, medians over turns.

    Raises:
        DataError: there is no photo, or a command failed.
    """
    deface = shutil.which("deface")
    with tempfile.TemporaryDirectory() as scratch:
        photo, shown = two_faces(Path(scratch))
        kinds = dict(_kinds(deface, photo, Path(scratch)))
        turns = options.steps or _TURNS
        options.stage("in turns", turns)
        runs: dict[str, list[Run]] = {kind: [] for kind in kinds}
        for _ in range(turns):
            for kind, command in kinds.items():
                runs[kind].append(run(command))
            options.tick()
    settings = {"photo": f"{shown}, {_SIZE[0]} x {_SIZE[1]}", "turns": turns, "cores": len(os.sched_getaffinity(0))}
    return Results(
        kind="study",
        title="speed",
        settings=settings | {"deface": "measured" if deface else "not on the path"},
        environment=environment(),
        measures=tuple(measures(runs)),
    )


def two_faces(folder: Path) -> tuple[Path, str]:
    """A photo of two people as JPEG, and what it is: one of the data, or the demo's two photos side by side."""
    known = data_folder() / "photos" / "two_people.jpg"
    if known.is_file():
        image, shown = codec.read(known).frames[0].rgb, known.name
    else:
        image, shown = _side_by_side([codec.read(path).frames[0].rgb for path in demo_photos().values()]), "the demo's photos"
    path = folder / "photo.jpg"
    PillowImage.fromarray(np.asarray(cv2.resize(image, _SIZE, interpolation=cv2.INTER_AREA), np.uint8)).save(path, quality=92)
    return path, shown


def _side_by_side(images: Sequence[Image]) -> Image:
    size = (_SIZE[0] // len(images), _SIZE[1])
    return np.concatenate([np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) for image in images], axis=1)


def _kinds(deface: str | None, photo: Path, scratch: Path) -> Iterator[tuple[str, list[str]]]:
    """What is run, by name."""
    ours = [sys.executable, "-m", "deid", "run", str(photo), "--seed", "1", "--overwrite", "-o"]
    if deface:
        yield "deface", [deface, str(photo), "-o", str(scratch / "deface.jpg")]
    yield "blur", [*ours, str(scratch / "blur.jpg"), "--method", "blur"]
    yield "new faces", [*ours, str(scratch / "new.jpg")]
    if deface:
        yield "deface, loaded", [_interpreter(deface), "-c", _DEFACE_LOADED + _TIMED, str(photo)]
    yield "blur, loaded", [sys.executable, "-c", _OURS_LOADED + _TIMED, str(photo), "blur"]
    yield "new faces, loaded", [sys.executable, "-c", _OURS_LOADED + _TIMED, str(photo), "attgan"]


def _interpreter(script: str) -> str:
    """The Python that a command runs in, by its first line."""
    first = Path(script).read_text(errors="replace").partition("\n")[0]
    return first.removeprefix("#!").strip() or sys.executable


def run(command: Sequence[str]) -> Run:
    """Run a command to its end.

    Raises:
        DataError: it failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        told, wrong, taken = (Path(scratch) / name for name in ("out", "err", "taken"))
        with told.open("wb") as out, wrong.open("wb") as err:
            subprocess.run([sys.executable, "-I", "-S", "-c", _LAUNCHER, str(taken), *command], stdout=out, stderr=err, check=False)
        code, wall, cpu, peak = json.loads(taken.read_text())
        if code:
            raise DataError(f"expected {command[0]} to succeed, it ended with {code}: {wrong.read_text()[-300:]}")
        # Linux counts in KiB, macOS in bytes.
        return Run(wall, cpu, peak / (1024 if sys.platform == "linux" else 1024**2), told.read_text())


def measures(runs: dict[str, list[Run]]) -> Iterator[Measure]:
    """Medians of each kind, and times those of deface where that was run."""
    whole = {kind: of for kind, of in runs.items() if not kind.endswith(", loaded")}
    for kind, of in whole.items():
        limits = _LIMITS.get(kind, (None, None, None))
        peer = whole.get("deface") if kind != "deface" else None
        yield from _pair("whole command", kind, "wall", "s", [r.wall_s for r in of], _of(peer, lambda r: r.wall_s), limits[0])
        yield from _pair("whole command", kind, "CPU", "s", [r.cpu_s for r in of], _of(peer, lambda r: r.cpu_s), limits[0])
        yield from _pair("whole command", kind, "peak memory", "MB", [r.peak_mb for r in of], _of(peer, lambda r: r.peak_mb), limits[1])
    if "new faces" in whole:
        peak = statistics.median(r.peak_mb for r in whole["new faces"])
        yield _measure("whole command", "new faces, peak memory against its limit", peak, "MB", _MOST_MB, len(whole["new faces"]))
    told = {kind: [json.loads(r.told.splitlines()[-1]) for r in of] for kind, of in runs.items() if kind.endswith(", loaded")}
    loaded = {kind: [pair for times, _ in of for pair in times] for kind, of in told.items()}
    for kind, pairs in loaded.items():
        name = kind.removesuffix(", loaded")
        limit = _LIMITS.get(name, (None, None, None))[2]
        peers = loaded.get("deface, loaded") if name != "deface" else None
        for i, clock in enumerate(("wall", "CPU")):
            values = [pair[i] for pair in pairs]
            yield from _pair("models loaded", name, clock, "s", values, None if peers is None else [pair[i] for pair in peers], limit)

    yield from _steps({kind: [steps for _, steps in of] for kind, of in told.items()}, loaded)


def _steps(told: dict[str, list[dict[str, list[float]]]], loaded: dict[str, list[list[float]]]) -> Iterator[Measure]:
    """Where the time of a program with its models loaded goes: CPU seconds of each step, and of all others together."""
    for kind, of in told.items():
        steps = {name: [s for steps in of for s in steps[name]] for name in of[0]}
        rest = statistics.median(cpu for _, cpu in loaded[kind])
        for name, values in steps.items():
            yield _measure("steps", f"{kind.removesuffix(', loaded')}, {name}, CPU", statistics.median(values), "s", None, len(values))
            rest -= statistics.median(values)
        if steps:
            yield _measure("steps", f"{kind.removesuffix(', loaded')}, edit and gate, CPU", rest, "s", None, len(loaded[kind]))


def _of(runs: list[Run] | None, what: Callable[[Run], float]) -> list[float] | None:
    return None if runs is None else [what(r) for r in runs]


def _pair(
    section: str, kind: str, what: str, unit: str, values: list[float], peers: list[float] | None, limit: float | None
) -> Iterator[Measure]:
    """The median, and how many times the peer's median it is."""
    value = statistics.median(values)
    yield _measure(section, f"{kind}, {what}", value, unit, None, len(values))
    if peers is not None:
        yield _measure(section, f"{kind}, {what}, times deface's", value / statistics.median(peers), "x", limit, len(values))


def _measure(section: str, name: str, value: float, unit: str, limit: float | None, n: int) -> Measure:
    told = "" if limit is None else f"at most {limit:g} {unit}"
    passed = None if limit is None else value <= limit
    return Measure(section=section, name=name, value=value, n=n, better="lower", unit=unit, limit=told, passed=passed, published=told)
