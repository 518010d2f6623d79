"""Results of a run as plain values: written to JSON, and read back by the report."""

import dataclasses
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from deid.check.folders import Problem
from evaluation.criteria import Verdict
from evaluation.metrics.bootstrap import Interval

_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "opencv-python-headless",
    "dlib-bin",
    "facenet-pytorch",
    "onnxruntime",
    "pillow",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number with all that it takes to read it.

    Args:
        section: `privacy`, `coverage`, `utility`, `realism` or an attack's name.
        name: what was measured.
        value: NaN when it could not be measured; ``note`` says why.
        low: lower end of the 95 % interval over people.
        high: upper end.
        n: number of items.
        n_people: number of people that they come from.
        better: `lower`, `higher` or empty: what is good.
        unit: `%` for shares, which are stored in [0, 1]; else the unit or empty.
        recogniser: recogniser or detector.
        group: all faces, or part of them.
        control: the same number on untouched photos.
        chance: the same number when nothing is known.
        limit: the limit in words.
        passed: the verdict; None when there is none.
        note: note for the reader.
        published: figure of the published study, in words.
    """

    section: str
    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    n_people: int = 0
    better: str = ""
    unit: str = ""
    recogniser: str = ""
    group: str = "all"
    control: float | None = None
    chance: float | None = None
    limit: str = ""
    passed: bool | None = None
    note: str = ""
    published: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line or a histogram of a plot.

    Args:
        plot: which plot it belongs to, see `evaluation.plots`.
        label: its name in the legend.
        recogniser: recogniser, or another name of the panel.
        x: positions (bin edges for a histogram).
        y: values (one less than edges for a histogram).
    """

    plot: str
    label: str
    recogniser: str
    x: list[float]
    y: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A whole run."""

    kind: str
    title: str
    settings: dict[str, Any]
    environment: dict[str, Any]
    measures: tuple[Measure, ...]
    curves: tuple[Curve, ...] = ()
    problems: tuple[Problem, ...] = ()
    faces: tuple[dict[str, Any], ...] = field(default=())

    def find(self, name: str, recogniser: str = "", group: str = "all", section: str = "") -> Measure:
        """The first measure of a name.

        Raises:
            KeyError: there is none.
        """
        for m in self.measures:
            if m.name == name and m.group == group and recogniser in ("", m.recogniser) and section in ("", m.section):
                return m
        raise KeyError(f"no measure {name!r} of {recogniser or 'any recogniser'} for {group}")


def measure(section: str, name: str, interval: Interval, verdict: Verdict | None = None, **more: Any) -> Measure:
    """A measure from its interval and verdict."""
    limit, passed = (verdict.limit, verdict.passed) if verdict else ("", None)
    numbers: dict[str, Any] = {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
        "n_people": interval.n_groups,
    }
    return Measure(section=section, name=name, limit=limit, passed=passed, **numbers, **more)


def environment() -> dict[str, Any]:
    """Versions, hashes of the shipped weights, commit and command of this run."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "weights": _weights(),
        "commit": _commit(),
        "command": shlex.join(["python", "-m", "evaluation", *sys.argv[1:]]),
    }


def _weights() -> dict[str, str]:
    """sha256 by name of the weights of `deid` that are here."""
    from deid import weights

    return {name: entry.sha256 for name, entry in weights.manifest().items() if weights.status(entry) == "ok"}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _commit() -> str:
    """The commit, marked as dirty where the code differs from it."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def to_json(results: Results) -> str:
    """JSON text; what is not a finite number becomes null."""
    return json.dumps(_plain(dataclasses.asdict(results)), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def from_json(text: str) -> Results:
    """What `to_json` wrote; numbers that were not finite are NaN."""
    data: dict[str, Any] = json.loads(text)
    numbers = ("value", "low", "high")
    rows: list[dict[str, Any]] = [{k: math.nan if v is None and k in numbers else v for k, v in m.items()} for m in data["measures"]]
    data["measures"] = tuple(Measure(**row) for row in rows)
    data["curves"] = tuple(Curve(**c) for c in data["curves"])
    data["problems"] = tuple(Problem(**p) for p in data["problems"])
    data["faces"] = tuple(data["faces"])
    return Results(**data)


def write(results: Results, folder: Path) -> Path:
    """Write ``results.json`` into a folder, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path, part = folder / "results.json", folder / "results.json.part"
    part.write_text(to_json(results))
    os.replace(part, path)
    return path
