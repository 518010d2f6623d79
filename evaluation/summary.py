"""The README's table of numbers, generated from a stored result between two marks."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from deid.core.errors import DataError
from evaluation.report import number
from evaluation.results import Measure, Results

README = Path(__file__).parents[1] / "README.md"
_MARKS = re.compile(r"(<!-- benchmarks of (?P<name>[\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
#: Lines of the table: section, name and recogniser of a measure, and what the README calls it.
_LINES: Mapping[tuple[str, str, str], str] = {
    ("privacy", "rank 1, another photo", "dlib_resnet"): "recognised at rank 1 in a gallery, by dlib",
    ("privacy", "rank 1, another photo", "mobilefacenet-ms1m"): "recognised at rank 1 in a gallery, held out",
    ("privacy", "TAR at FMR 0.001", "dlib_resnet"): "accepted at FMR 1e-3, by dlib",
    ("privacy", "TAR at FMR 0.001", "mobilefacenet-ms1m"): "accepted at FMR 1e-3, held out",
    ("privacy", "not recognised", "mobilefacenet-ms1m"): "not matched to its own face before (higher is better), held out",
    ("coverage", "edited", ""): "faces with a new face",
    ("coverage", "covered", ""): "faces covered, mostly small or turned",
    ("utility", "recall", "mtcnn"): "detected in the same place, by MTCNN",
    ("utility", "gender agreement", ""): "same gender (a face that is no longer detected counts as changed)",
}


def write_summary(results: Mapping[str, Results], path: Path = README) -> Path:
    """Put the table of the result that the README names between its marks.

    Args:
        results: stored results by name.
        path: the README.

    Raises:
        DataError: the marks are missing, or name a result that is not stored.
    """
    text = path.read_text(encoding="utf-8")
    marks = _MARKS.search(text)
    if marks is None or marks["name"] not in results:
        raise DataError(f"expected <!-- benchmarks of NAME --> and <!-- end --> in {path}, NAME one of {', '.join(results)}")
    part = path.with_name(f"{path.name}.part")
    part.write_text(_MARKS.sub(lambda m: m[1] + table(marks["name"], results[marks["name"]]) + m[3], text), encoding="utf-8")
    os.replace(part, path)
    return path


def table(name: str, results: Results) -> str:
    """The table as Markdown, with its origin below."""
    known = {(m.section, m.name, m.recogniser): m for m in results.measures if m.group == "all"}
    rows = [_row(words, known[key]) for key, words in _LINES.items() if key in known]
    counts = ", ".join(f"{results.settings[key]} {key}" for key in ("photos", "people", "faces") if key in results.settings)
    origin = f"`{name}`: {counts}; commit {results.environment.get('commit', 'unknown')[:7]}."
    return "\n".join(["", "| share | untouched | anonymized |", "|---|---|---|", *rows, "", origin, ""])


def _row(words: str, m: Measure) -> str:
    return f"| {words} | {number(m.control, m.unit)} | {number(m.value, m.unit)} |"
