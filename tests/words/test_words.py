"""Texts use the glossary's words, in sentences that are read once."""

import re
from pathlib import Path
from statistics import mean

import pytest

from tests.words.texts import AVOID, Text, length, of_module, of_page

ROOT = Path(__file__).parents[2]
_MOST_WORDS, _MOST_ON_AVERAGE = 40, 20
#: In what users read: the README, the pages, help texts.
_MOST_FOR_USERS = 25
#: Lists the words to avoid.
_GLOSSARY = "docs/glossary.md"


def _texts() -> dict[str, list[Text]]:
    pages = [*ROOT.glob("*.md"), *(p for f in ("docs", "weights", "evaluation", "findings") for p in (ROOT / f).rglob("*.md"))]
    modules = [p for folder in ("deid", "evaluation", "examples") for p in (ROOT / folder).rglob("*.py")]
    names = {path: str(path.relative_to(ROOT)) for path in sorted([*pages, *modules])}
    return {name: list((of_page if path.suffix == ".md" else of_module)(path, name)) for path, name in names.items()}


TEXTS = _texts()


#: Prose; headings and table cells are short by nature, and would flatter an average.
_PROSE = {"page", "docstring", "help"}


def _sentences(texts: list[Text], kinds: set[str] = _PROSE) -> list[tuple[str, str]]:
    """Sentences with their places."""
    return [(text.place, s) for text in texts if text.kind in kinds for s in text.sentences()]


def test_no_sentence_is_too_long() -> None:
    found = [
        (place, length(s), s) for texts in TEXTS.values() for place, s in _sentences(texts, {*_PROSE, "cell"}) if length(s) > _MOST_WORDS
    ]
    assert not found, "\n".join(f"{place}: {n} words: {s}" for place, n, s in found)


def test_no_sentence_for_users_is_long() -> None:
    pages = [text for name, texts in TEXTS.items() if name == "README.md" or name.startswith("docs/") for text in texts]
    helps = [text for texts in TEXTS.values() for text in texts if text.kind == "help"]
    found = [(place, s) for place, s in _sentences([*pages, *helps], {"page", "help", "cell"}) if length(s) > _MOST_FOR_USERS]
    assert not found, "\n".join(f"{place}: {length(s)} words: {s}" for place, s in found)


def test_sentences_are_short_on_average() -> None:
    averages = {name: mean(length(s) for _, s in found) for name, texts in TEXTS.items() if (found := _sentences(texts))}
    assert not (long := {name: f"{n:.1f}" for name, n in averages.items() if n >= _MOST_ON_AVERAGE}), long


def test_no_text_uses_a_word_that_the_glossary_replaces() -> None:
    texts = [text for name, found in TEXTS.items() if name != _GLOSSARY for text in found]
    found = [f"{text.place}: {', '.join(words)}: {text.words}" for text in texts if (words := text.avoided())]
    assert not found, "\n".join(found)


def test_the_glossary_lists_the_words_to_avoid() -> None:
    rows = (ROOT / _GLOSSARY).read_text().partition("## Words to avoid")[2]
    listed = [row for row in re.findall(r"^\| ([^|]+) \| [^|]+ \|$", rows, re.MULTILINE) if row not in {"not"} and set(row) - set("-")]
    assert listed == list(AVOID)


WORDS = {
    "anonymise": ("Anonymise it.", ["anonymise"]),
    "bare": ("A face stays bare.", ["bare (of a face)"]),
    "a find": ("Each find counts.", ["find (as a noun)"]),
    "to find": ("A detector finds the face.", []),
    "rung": ("The next rung.", ["ladder, rung"]),
    "code": ("The option `told`.", []),
    "plain": ("Every detection is covered.", []),
}


@pytest.mark.parametrize(("text", "expected"), WORDS.values(), ids=WORDS)
def test_avoided(text: str, expected: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert [word for found in of_page(page, "page") for word in found.avoided()] == expected


_PAGE = """# A head

One, by T. Wang et al.
of 0.5 `x.y`. Two!

- item
  goes on

| a | b c |
|---|---|

```sh
no
```
"""


def test_sentences_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(_PAGE)
    texts = list(of_page(page, "p"))
    assert [s for _, s in _sentences(texts)] == ["One, by T. Wang et al. of 0.5 CODE.", "Two!", "item goes on"]
    assert [s for _, s in _sentences(texts, {"heading", "cell"})] == ["A head", "a", "b c"]


_MODULE = '''def f(x):
    """Does it.

    Args:
        x: (N,) rows.
            More.

    Example:
        >>> f(1)
        2
    """
    # Two lines
    # of one.
    raise ValueError(f"expected {x} here")


option(help="Say more." + f" Default: {f}")
'''


def test_texts_of_a_module(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(_MODULE)
    found = [(text.place, text.kind, text.words) for text in of_module(module, "m")]
    assert found == [
        ("m:2", "docstring", "Does it."),
        ("m:5", "docstring", "(N,) rows. More."),
        ("m:17", "help", "Say more. Default: CODE"),
        ("m:14", "message", "expected CODE here"),
        ("m:12", "comment", "Two lines of one."),
    ]
