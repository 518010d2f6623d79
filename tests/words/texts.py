"""The sentences of pages, docstrings, help texts, comments and messages, and the words that they must not use."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Words that the glossary replaces: what is refused, as a pattern, by what the glossary calls it.
AVOID: Mapping[str, str] = {
    "anonymise": r"anonymis\w*",
    "bare (of a face)": r"bare(?! metal| array| minimum)\b",
    "find (as a noun)": (
        r"\b(?:an?|the|each|every|its|of|such|these|those|no|further|other|first|faint|sure|two|teacher's|\d+) finds?\b"
        r"(?! (?:an?|the|it|no|them|its)\b)"
    ),
    "film": r"\bfilms?\b",
    "ladder, rung": r"\b(?:ladders?|rungs?)\b",
    "settled": r"\bsettled\b",
    "told": r"\btold\b",
    "shall": r"\bshall\b",
    "whoever": r"\bwho(?:m)?(?:so)?ever\b",
    "was asked for": r"\b(?:was|were|is|are) (?:not )?asked for\b",
}
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_HIDDEN = re.compile(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)|^--8<--.*$|^:::.*$(?:\n(?:[ ]{4}.*|)$)*", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"``[^`]+``|`[^`]+`")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+")
_ENTRY = re.compile(r"^\s*[`*\w.()\[\], ]{1,60}:\s(?=\S)")
_SECTION = re.compile(r"^\s*(?:Args|Returns|Yields|Raises|Examples?|Attributes|Convention|References?|Note|Notes):\s*$")
_END = re.compile(r"(?<!\b[A-Z]\.)(?<!e\.g\.)(?<!i\.e\.)(?<=[.!?])[\"')*]*\s+(?=[A-Z0-9\"'(*\[CODE])")
_WORD = re.compile(r"[\w'’%/+-]*\w[\w'’%/+-]*")


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text: a paragraph, a list item, a table cell, a parameter, a help text.

    Args:
        place: file and line.
        kind: `page`, `heading`, `cell`, `docstring`, `help`, `comment` or `message`.
        words: without marks, with `CODE` for each piece of code.
    """

    place: str
    kind: str
    words: str

    def sentences(self) -> list[str]:
        """Its sentences, those without a word left out."""
        return [s for s in _END.split(self.words.strip()) if _WORD.search(s)]

    def avoided(self) -> list[str]:
        """What the glossary calls the words that it must not use."""
        return [name for name, pattern in AVOID.items() if re.search(pattern, self.words, re.IGNORECASE)]


def length(sentence: str) -> int:
    """Number of words of a sentence."""
    return len(_WORD.findall(sentence))


def of_page(path: Path, place: str) -> Iterator[Text]:
    """The texts of a Markdown file: headings, paragraphs, list items and table cells."""
    plain = _HIDDEN.sub(_blank, _FENCE.sub(_blank, path.read_text(encoding="utf-8")))
    for line, unit in _units(plain.splitlines()):
        kind = "cell" if unit.startswith("|") else "heading" if unit.startswith("#") else "page"
        for cell in unit.strip("| ").split(" | ") if kind == "cell" else [unit.lstrip("#> ")]:
            if not set(cell) <= set("-|: "):
                yield Text(f"{place}:{line}", kind, _plain(cell))


def of_module(path: Path, place: str) -> Iterator[Text]:
    """The docstrings, help texts, messages and comments of a Python file."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (said := ast.get_docstring(node)):
            first = node.body[0].lineno
            for line, unit in _units(_without_examples(said.splitlines())):
                yield Text(f"{place}:{first + line - 1}", "docstring", _plain(_ENTRY.sub("", unit, count=1)))
        elif isinstance(node, ast.Call):
            yield from (Text(f"{place}:{node.lineno}", kind, _plain(words)) for kind, words in _said(node))
    yield from (Text(f"{place}:{line}", "comment", _plain(words)) for line, words in _comments(source))


def _said(call: ast.Call) -> Iterator[tuple[str, str]]:
    """What a call says to people: help texts, the messages of errors, lines on the screen."""
    yield from (("help", _string(k.value)) for k in call.keywords if k.arg in {"help", "epilog"})
    name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
    if name in {"_flag", "Flag"}:
        yield from (("help", _string(argument)) for argument in call.args[1:])
    elif name.endswith("Error") or name in {"say", "echo", "info", "warning", "error"}:
        yield from (("message", _string(argument)) for argument in call.args)


def _string(node: ast.expr) -> str:
    """The text of a string or an f-string, with `CODE` for each value in it; empty for anything else."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_string(v) if isinstance(v, ast.Constant) else "CODE" for v in node.values)
    if isinstance(node, ast.BinOp):
        return _string(node.left) + _string(node.right)
    return ""


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Comments with their first line; those on consecutive lines are one."""
    first, last, words = 0, -1, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("#: ")
            if token.start[0] == last + 1 and words:
                words = f"{words} {text}"
            else:
                if words:
                    yield first, words
                first, words = token.start[0], text
            last = token.start[0]
    if words:
        yield first, words


def _units(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Paragraphs, items, rows and entries with their first line."""
    first, unit = 0, ""
    for number, line in enumerate([*lines, ""], 1):
        new = not line.strip() or line.lstrip().startswith(("|", "#")) or _ITEM.match(line) or _ENTRY.match(line) or _SECTION.match(line)
        if new and unit:
            yield first, unit
            unit = ""
        if line.strip() and not _SECTION.match(line):
            first, unit = (first, f"{unit} {line.strip()}") if unit else (number, _ITEM.sub("", line).strip())


def _without_examples(lines: list[str]) -> list[str]:
    """Lines of a docstring, those of examples and code emptied."""
    kept, code, table = [], False, 0
    for line in lines:
        # A table of reStructuredText has three rulers.
        table = (table + line.startswith("===")) % 3
        code = line.lstrip().startswith(">>>") or (code and bool(line.strip()))
        drawn = line.startswith(("    python", "    import ", "├", "│", "└")) or "───" in line
        kept.append("" if code or drawn or table or line.startswith("===") else line)
    return kept


def _plain(text: str) -> str:
    return re.sub(r"\*\*|(?<!\w)\*|\*(?!\w)|\|", "", _LINK.sub(r"\1", _CODE.sub("CODE", text))).strip()


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")
