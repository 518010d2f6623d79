"""Results that are worth keeping, and the page that is made of them: no number in it is typed by hand."""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from deid.core.errors import DataError
from evaluation.report import number, span
from evaluation.results import Measure, Results, from_json, to_json

FOLDER = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
#: The lines of a long report that the page shows; of other kinds it shows all.
_SHOWN: Mapping[str, Sequence[str]] = {
    "compare": (
        "rank 1, another photo",
        "TAR at FMR 0.001",
        "not recognised",
        "exposed",
        "recall",
        "IoU, missed faces as 0",
        "landmark error of found faces",
        "head pose change",
        "gender agreement",
        "KID x 1000",
        "KID x 1000 at 256 px",
        "detail inside the face fits",
        "detail inside the face, median",
    ),
    "attack": ("rank 1, another photo", "mask blank, rank 1", "face in black, rank 1", "AUC", "mask blank, AUC"),
}
_HEAD = """# Benchmarks

Made by `python -m evaluation benchmarks` from `evaluation/results/`, where every number stands with its setting. Change nothing here by
hand. In brackets: 95 % interval over people. *Untouched*: the same number of the photos as they were.
"""
#: What a command is told about storing says nothing of how its numbers came about.
_ABOUT_STORING = {"--store", "--made-by"}


def store(results: Results, name: str, made_by: Iterable[str] = (), folder: Path = FOLDER) -> Path:
    """Keep the measures of a run as ``folder/name.json``, without curves and single faces, and without this machine's paths.

    Args:
        results: of the run.
        name: of the file, and of the column on the page.
        made_by: commands that made what was measured.
        folder: where results are kept.

    Raises:
        DataError: the name is no plain file name.
    """
    if not name or name != PurePath(name).name or name.startswith("."):
        raise DataError(f"expected a plain name to store results under, got {name!r}")
    settings = {**results.settings, "made by": list(made_by), "files with problems": len(results.problems)}
    environment = results.environment | {"command": _shared(str(results.environment.get("command", "")))}
    kept = replace(results, settings=settings, environment=environment, curves=(), problems=(), faces=())
    folder.mkdir(parents=True, exist_ok=True)
    path, part = folder / f"{name}.json", folder / f"{name}.json.part"
    part.write_text(to_json(kept) + "\n")
    os.replace(part, path)
    return path


def _shared(command: str) -> str:
    """A command as others would type it: of absolute paths only the last part, and nothing about storing."""
    words, shown = iter(shlex.split(command)), []
    for word in words:
        if word in _ABOUT_STORING:
            next(words, None)
        elif word.split("=")[0] not in _ABOUT_STORING:
            shown.append(PurePath(word).name if word.startswith("/") else word)
    return shlex.join(shown)


def read_all(folder: Path = FOLDER) -> dict[str, Results]:
    """Stored results by name.

    Raises:
        DataError: one of the files holds something else.
    """
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = from_json(path.read_text())
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"expected stored results in {path}, got {error}") from error
    return found


def write_page(folder: Path = FOLDER, path: Path = PAGE) -> Path:
    """Write the page of all stored results.

    Raises:
        DataError: there are none.
    """
    results = read_all(folder)
    if not results:
        raise DataError(f"expected stored results in {folder}, got none: give --store NAME to a command")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(page(results), encoding="utf-8")
    os.replace(part, path)
    return path


def page(results: Mapping[str, Results]) -> str:
    """The page as Markdown: a table for each kind of run and each study, a column for each of its results."""
    kinds = dict.fromkeys(_kind(r) for r in results.values())
    return "\n".join([_HEAD, *(_part(kind, {n: r for n, r in results.items() if _kind(r) == kind}) for kind in kinds)])


def _kind(results: Results) -> str:
    return f"study {results.title.partition(':')[0]}" if results.kind == "study" else results.kind


def _part(kind: str, results: Mapping[str, Results]) -> str:
    rows = dict.fromkeys((m.section, m.name, m.recogniser, m.group) for r in results.values() for m in shown(r))
    cells = {name: {(m.section, m.name, m.recogniser, m.group): m for m in r.measures} for name, r in results.items()}
    head = ["", "measure", "by", "group", *results]
    lines = [f"## {kind[0].upper()}{kind[1:]}", "", _row(head), _row(["---"] * len(head))]
    lines += [_row([*row, *(_cell(cells[name].get(row)) for name in results)]) for row in rows]
    return "\n".join([*lines, "", *(_origin(name, r) for name, r in results.items()), ""])


def shown(results: Results) -> list[Measure]:
    """The measures of a run that the page shows: of long reports the main lines, over all faces."""
    names = _SHOWN.get(results.kind)
    return [m for m in results.measures if names is None or (m.name in names and m.group == "all")]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(c.replace('|', '/') for c in cells)} |"


def _cell(m: Measure | None) -> str:
    if m is None:
        return ""
    interval, control = span(m), "" if m.control is None else f"; untouched {number(m.control, m.unit)}"
    return f"{number(m.value, m.unit)}{f' ({interval})' if interval else ''}{control}"


def _origin(name: str, results: Results) -> str:
    """Where a column comes from: commands, commit, and how much there was to measure."""
    commands = "; ".join(f"`{c}`" for c in [*results.settings.get("made by", []), results.environment.get("command", "")])
    counts = ", ".join(f"{k} {results.settings[k]}" for k in ("photos", "faces", "people", "crops", "seed") if k in results.settings)
    return f"- **{name}** ({results.title}; {counts}): {commands}, at commit {results.environment.get('commit', 'unknown')}."
