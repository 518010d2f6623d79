"""Videos and a data set: whole commands of this build, of an older one and of deface, in turns."""

import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import deid
from evaluation.results import Measure
from evaluation.studies import speed_inputs
from evaluation.studies.launch import Run

#: Limits: the blur of a video against deface's CPU time, at most; new faces and a data set against the old build's rate, at least.
_FILM_BLUR, _FILM_FACES, _DATA_SET = 1 / 6, 3.0, 2.0
_WORKERS = 2
#: How many jobs there are where all data are.
N_JOBS = 3


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and the folder of the package that it is to find; None for its own."""

    words: Sequence[str]
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """Work that several programs do in turn.

    Args:
        name: of the work.
        unit: of what there are several: `frame` or `photo`.
        n: how many of them.
        commands: by program: `deface`, `old` and `deid`, as far as they are there. `{turn}` in a word stands for the turn's number.
        most: of deface's CPU seconds, the most that may be taken; None for no limit.
        least: times the old build's rate, the least that must be reached; None for no limit.
    """

    name: str
    unit: str
    n: int
    commands: Mapping[str, Command]
    most: float | None = None
    least: float | None = None

    def command(self, program: str, turn: int) -> Command:
        """A program's command in a turn."""
        given = self.commands[program]
        return Command([word.replace("{turn}", str(turn)) for word in given.words], given.path)


def jobs(scratch: Path, deface: str | None, old: Path | None) -> list[Job]:
    """What is to be done: the work whose data are there.

    Args:
        scratch: a folder for inputs and outputs.
        deface: its command; None where it is not installed.
        old: folder of an older build; None for none.
    """
    found = []
    if film := speed_inputs.street(scratch):
        commands = {"deface": Command([deface, str(film), "-o", str(scratch / "deface.mp4")])} if deface else {}
        commands |= _builds(old, ["run", str(film), "-o", str(scratch / "{build}.mp4"), "--method", "blur", "--overwrite"])
        found.append(Job("video of 1920 x 1080, blur", "frame", speed_inputs.STREET_FRAMES, commands, most=_FILM_BLUR))
    if film := speed_inputs.talking(scratch):
        commands = _builds(old, ["run", str(film), "-o", str(scratch / "{build}.mp4"), "--overwrite"])
        found.append(Job("video of 1024 x 512, new faces", "frame", speed_inputs.FACES_FRAMES, commands, least=_FILM_FACES))
    if folder := speed_inputs.photos(scratch):
        # Every turn has an output of its own: a run is never begun twice in one folder.
        words = ["dataset", str(folder), "-o", str(scratch / "{build}-{turn}"), "--workers", str(_WORKERS)]
        found.append(Job(f"data set, new faces, {_WORKERS} workers", "photo", speed_inputs.PHOTOS, _builds(old, words), least=_DATA_SET))
    return found


def _builds(old: Path | None, words: Sequence[str]) -> dict[str, Command]:
    """The same command by the old build and by this one. `-P` leaves the current folder out of the path: it may hold another build."""
    paths = ({"old": old} if old is not None else {}) | {"deid": Path(deid.__file__).parents[1]}
    return {
        build: Command([sys.executable, "-P", "-m", "deid", *(word.replace("{build}", build) for word in words), "--seed", "1"], path)
        for build, path in paths.items()
    }


def measures(job: Job, runs: Mapping[str, Sequence[Run]]) -> Iterator[Measure]:
    """Medians of a job's programs over turns, and how they compare."""
    rates = {program: statistics.median(job.n / r.wall_s for r in of) for program, of in runs.items()}
    cpu = {program: statistics.median(r.cpu_s / job.n for r in of) for program, of in runs.items()}
    for program, of in runs.items():
        yield _measure(job, f"{program}, rate", rates[program], f"{job.unit}s/s", len(of), better="higher")
        yield _measure(job, f"{program}, CPU seconds a {job.unit}", cpu[program], "s", len(of))
        yield _measure(job, f"{program}, peak memory of a process", statistics.median(r.peak_mb for r in of), "MB", len(of))
    if "deface" in runs:
        yield _compared(job, "CPU seconds, times deface's", cpu["deid"] / cpu["deface"], len(runs["deid"]), most=job.most)
    if "old" in runs:
        yield _compared(job, "rate, times the old build's", rates["deid"] / rates["old"], len(runs["deid"]), least=job.least)
        yield _compared(job, "old build's CPU seconds, times this one's", cpu["old"] / cpu["deid"], len(runs["deid"]), least=job.least)


def _measure(job: Job, name: str, value: float, unit: str, n: int, better: str = "lower") -> Measure:
    return Measure(section=job.name, name=name, value=value, n=n, better=better, unit=unit)


def _compared(job: Job, name: str, value: float, n: int, most: float | None = None, least: float | None = None) -> Measure:
    bound = f"at most {most:.3g} x" if most else f"at least {least:g} x" if least else ""
    passed = value <= most if most else value >= least if least else None
    better = "higher" if least else "lower"
    return Measure(section=job.name, name=name, value=value, n=n, better=better, unit="x", limit=bound, passed=passed, published=bound)
