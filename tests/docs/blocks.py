"""The code blocks of the pages, and how each kind is run."""

import contextlib
import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer import Typer
from typer.testing import CliRunner

from deid.core import options

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- not run: (.+?) -->\s*$")
#: Numbers that would take too long here, and smaller ones.
_SMALLER = re.compile(r"<!-- run with (\S+) -> (\S+) -->\s*$")
#: Kinds that show something and run nothing.
SHOWN = {"text", "json"}


@dataclass(frozen=True, slots=True)
class Block:
    """A code block.

    Args:
        language: its fence's word.
        text: its lines.
        line: where it begins.
        reason: why it is not run; empty for one that is.
    """

    language: str
    text: str
    line: int
    reason: str = ""


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page in their order."""
    for fence in _FENCE.finditer(text):
        above = text[: fence.start()]
        mark, smaller = _MARK.search(above), _SMALLER.search(above)
        code = fence[2].replace(smaller[1], smaller[2]) if smaller else fence[2]
        yield Block(fence[1], code, above.count("\n") + 1, mark[1] if mark else "")


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block in the current folder; Python shares ``names`` with the page's other blocks."""
    if block.language == "sh":
        for line in block.text.splitlines():
            if words := shlex.split(line, comments=True):
                _command(words)
    elif block.language == "toml":
        options.from_mapping(tomllib.loads(block.text))
    elif block.language == "python":
        exec(compile(block.text, f"line {block.line}", "exec"), names)
    else:
        raise ValueError(f"line {block.line}: expected sh, python, toml, text or json, got {block.language!r}")


def _command(words: list[str]) -> None:
    """Run a command in this process: a new one would spend most of its time on importing torch."""
    if words[0] == "deid":
        from deid.__main__ import app

        _invoke(app, words[1:])
    elif words[:3] == ["python", "-m", "evaluation"]:
        from evaluation.cli import app as evaluation

        _invoke(evaluation, words[3:])
    elif words[:2] == ["python", "-c"]:
        exec(compile(words[2], "python -c", "exec"), {})
    elif words[0] == "python" and Path(words[1]).is_file():
        runpy.run_path(words[1], run_name="__main__")
    elif words[0] == "cat":
        assert all(Path(word).is_file() for word in words[1:]), words
    else:
        raise ValueError(f"expected deid, python or cat, got {shlex.join(words)}; mark the block with <!-- not run: why -->")


def _invoke(app: Typer, arguments: list[str]) -> None:
    with contextlib.chdir(Path.cwd()):
        result = CliRunner().invoke(app, arguments)
    if result.exit_code:
        raise AssertionError(f"{shlex.join(arguments)} ended with {result.exit_code}:\n{result.output}") from result.exception
