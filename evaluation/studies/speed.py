"""Time and memory of one photo with two faces, of two videos and of a data set, beside deface and an older build.

Each command runs in its own process, in turn with the others, and so does each program with its models loaded. The tool deface
covers the detections of CenterFace. It is measured where its command is on the path, for example in an environment of its own. Without it,
seconds and memory are reported without a ratio.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from evaluation.results import Measure, Results, environment
from evaluation.studies import speed_inputs, throughput
from evaluation.studies.launch import Run, run
from evaluation.studies.options import StudyOptions

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
        # A photo may be searched in parts.
        self.times[-1] += time.process_time() - start
        return found
engine.models.__dict__["detector"] = Timed("first detection", engine.models.detector)
engine.models.__dict__["second_detector"] = Timed("second detection", engine.models.second_detector)
image = np.asarray(Image.open(sys.argv[1]).convert("RGB"))
def work():
    for times in steps.values():
        times.append(0.0)
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


def speed(options: StudyOptions) -> Results:
    """Whole commands and programs with their models loaded, medians over turns.

    Raises:
        DataError: there is no photo, or a command failed.
    """
    deface, turns = shutil.which("deface"), options.steps or _TURNS
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        photo, shown = speed_inputs.two_faces(scratch)
        kinds, jobs = dict(_kinds(deface, photo, scratch)), throughput.jobs(scratch, deface, options.old)
        options.stage("in turns", turns)
        runs: dict[str, list[Run]] = {kind: [] for kind in kinds}
        done: list[dict[str, list[Run]]] = [{program: [] for program in job.commands} for job in jobs]
        for turn in range(turns):
            for kind, words in kinds.items():
                runs[kind].append(run(words))
            one_turn(jobs, done, turn)
            options.tick()
    settings = {
        "photo": f"{shown}, {speed_inputs.PHOTO_SIZE[0]} x {speed_inputs.PHOTO_SIZE[1]}",
        "turns": turns,
        "cores": len(os.sched_getaffinity(0)),
        "deface": "measured" if deface else "not on the path",
        "old build": commit_of(options.old),
        "jobs without data": throughput.N_JOBS - len(jobs),
    }
    throughputs = [m for job, own in zip(jobs, done, strict=True) for m in throughput.measures(job, own)]
    return Results(kind="study", title="speed", settings=settings, environment=environment(), measures=(*measures(runs), *throughputs))


def one_turn(jobs: Sequence[throughput.Job], done: Sequence[dict[str, list[Run]]], turn: int) -> None:
    """Run each program of each job once, one after another, and add what it took."""
    for job, own in zip(jobs, done, strict=True):
        for program, of in own.items():
            command = job.command(program, turn)
            of.append(run(command.words, command.path))


def commit_of(old: Path | None) -> str:
    """Which build the older one is."""
    if old is None:
        return "none"
    git = subprocess.run(["git", "-C", str(old), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return f"commit {git.stdout.strip()}" if git.returncode == 0 else "no commit"


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
    outputs = {kind: [json.loads(r.output.splitlines()[-1]) for r in of] for kind, of in runs.items() if kind.endswith(", loaded")}
    loaded = {kind: [pair for times, _ in of for pair in times] for kind, of in outputs.items()}
    for kind, pairs in loaded.items():
        name = kind.removesuffix(", loaded")
        limit = _LIMITS.get(name, (None, None, None))[2]
        peers = loaded.get("deface, loaded") if name != "deface" else None
        for i, clock in enumerate(("wall", "CPU")):
            values = [pair[i] for pair in pairs]
            yield from _pair("models loaded", name, clock, "s", values, None if peers is None else [pair[i] for pair in peers], limit)

    yield from _steps({kind: [steps for _, steps in of] for kind, of in outputs.items()}, loaded)


def _steps(outputs: dict[str, list[dict[str, list[float]]]], loaded: dict[str, list[list[float]]]) -> Iterator[Measure]:
    """Where the time of a program with its models loaded goes: CPU seconds of each step, and of all others together."""
    for kind, of in outputs.items():
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
    bound = "" if limit is None else f"at most {limit:g} {unit}"
    passed = None if limit is None else value <= limit
    return Measure(section=section, name=name, value=value, n=n, better="lower", unit=unit, limit=bound, passed=passed, published=bound)
