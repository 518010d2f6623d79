"""Pictures that are drawn in text: characters for pixels, digits or words for grey levels, in rows or in one long list.

A picture of few levels has little entropy and looks like a table of classes. It differs in its neighbours: beside and below each other, its
symbols are alike more often than those of rows that lie apart. In a table, rows are alike only in what stands in a column everywhere.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.int64]

#: Least columns and rows of a picture, and least number of symbols in a list.
_LEAST_SIDE, _LEAST = 16, 512
#: By how much more often neighbours are alike, across and down. Photos of 48 x 32 to 160 x 60 in two to 70 characters have 0.09 and more;
#: 20 kinds of label files 0.03 at most.
_ALIKE = 0.06
#: More different symbols than that are no levels, and numbers are brought to so many.
_MOST_SYMBOLS, _LEVELS = 256, 16
#: So much of a list is looked at, for rows of so many symbols at most.
_MOST, _MOST_WIDE = 1 << 15, 1024
#: Characters of a long text that are looked at together.
_PART = 1 << 20
_ROW = re.compile(r"[\n\r\[\]()<>{}]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
#: Sentences that repeat have 0.3 bits for the next word, samples of 48 x 48 have 2.5 and more.
_LEAST_BITS = 1.5
_LINE, _STRING = re.compile(r"[\n\r]+"), re.compile(r"[\n\r\"'<>]+")
#: What stands between tokens, beside blanks.
_BETWEEN = str.maketrans(dict.fromkeys(",;|\"':", " "))
#: What may be a level in a table's column: a number, hexadecimal digits, a sign.
_LEVEL = re.compile(r"[-+]?\d[\d.]{0,6}|[0-9A-Fa-f]{1,2}|\W|[a-z]")


def drawn_in(text: str) -> str:
    """What in a text looks like a drawn picture, or nothing."""
    return in_parts(text, _LEAST, _drawn_in)


def in_parts(text: str, least: int, check: Callable[[str], str]) -> str:
    """What a check says of the first part of a long text in which it finds something, or nothing; shorter parts than ``least`` are none."""
    parts = (text[start : start + _PART] for start in range(0, len(text), _PART))
    return next((why for part in parts if len(part) >= least and (why := check(part))), "")


def _drawn_in(text: str) -> str:
    rows = [tokens for tokens in (row.translate(_BETWEEN).split() for row in _ROW.split(text)) if tokens]
    for grid in (*_lines(text, _STRING), *_lines(text, _LINE), *_token_rows(rows)):
        if _is_drawn(grid):
            return f"{grid.shape[0]} rows of {grid.shape[1]} characters or levels that go as a drawing does"
    for symbols in _lists(text, rows):
        if width := _drawn_width(symbols):
            return f"a list of {len(symbols)} levels that go as a drawing of {width} columns does"
    return ""


def goes_as_a_drawing(tokens: Sequence[str]) -> bool:
    """Whether a list of levels, in numbers, words or characters, goes as the rows of a drawing do, one after another."""
    symbols = _symbols(tokens[:_MOST]) if len(tokens) >= _LEAST else None
    return symbols is not None and _drawn_width(symbols) > 0


def goes_by_its_neighbours(tokens: Sequence[str]) -> bool:
    """Whether a list of names goes as the rows of a drawing do, when names that often stand together are taken for levels that are near."""
    tokens = tokens[:_MOST]
    names = {name: i for i, name in enumerate(sorted(set(tokens)))} if len(tokens) >= 2 * _LEAST else {}
    if not _LEVELS < len(names) <= _MOST_SYMBOLS or all(map(_NUMBER.fullmatch, names)):
        return False
    symbols = np.fromiter((names[token] for token in tokens), np.int64, len(tokens))
    if _bits_of_next(symbols, len(names)) < _LEAST_BITS:
        return False
    levels = _by_neighbours(symbols, len(names)) * _LEVELS // len(names)
    return _drawn_width(levels[symbols]) > 0


def _bits_of_next(symbols: Symbols, n: int) -> float:
    """Entropy of the symbol after a known one, in bits: a sentence that repeats has none."""
    pairs, ones = (np.unique(s, return_counts=True)[1] / (len(symbols) - 1) for s in (symbols[:-1] * n + symbols[1:], symbols[:-1]))
    return float((ones * np.log2(ones)).sum() - (pairs * np.log2(pairs)).sum())


def _by_neighbours(symbols: Symbols, n: int) -> Symbols:
    """The place of each of n symbols on the line on which those that follow one another are near: the Fiedler vector of their graph.

    Atkins, Boman and Hendrickson (1998): A spectral algorithm for seriation and the consecutive ones problem.
    """
    near = np.zeros((n, n))
    for lag in (1, 3):
        np.add.at(near, (symbols[lag:], symbols[:-lag]), 1.0)
    near += near.T
    np.fill_diagonal(near, 0)
    scale = 1 / np.sqrt(np.maximum(near.sum(axis=1), 1))
    vectors = np.linalg.eigh(near * scale * scale[:, None])[1]
    return np.argsort(np.argsort(vectors[:, -2] * scale))


def _drawn_width(symbols: Symbols) -> int:
    """Number of columns of the drawing that a list is, or 0."""
    width = _width(symbols)
    return width if width and _is_drawn(symbols[: len(symbols) // width * width].reshape(-1, width)) else 0


def _lines(text: str, ends: re.Pattern[str]) -> Iterator[Symbols]:
    """Strings of one length that follow one another, as grids of characters."""
    pieces = [piece for piece in ends.split(text) if len(piece) >= _LEAST_SIDE]
    for _, group in groupby(pieces, len):
        if len(rows := list(group)) >= _LEAST_SIDE:
            yield np.frombuffer("".join(rows).encode("utf-32-le", "surrogatepass"), np.uint32).reshape(len(rows), -1).astype(np.int64)


def _token_rows(rows: Sequence[Sequence[str]]) -> Iterator[Symbols]:
    """Rows with one number of tokens that follow one another, as grids of levels."""
    for width, group in groupby([row for row in rows if len(row) >= _LEAST_SIDE], len):
        if len(own := list(group)) >= _LEAST_SIDE and (symbols := _symbols([t for row in own for t in row])) is not None:
            yield symbols.reshape(-1, width)


def _lists(text: str, rows: Sequence[Sequence[str]]) -> Iterator[Symbols]:
    """All tokens one after another, or the columns of a table, and long words, as lists of levels."""
    n_columns = int(np.median([len(row) for row in rows])) if rows else 0
    table = [row for row in rows if len(row) == n_columns]
    lists: list[Sequence[str]] = [list(word) for word in re.findall(rf"\S{{{_LEAST},}}", text)]
    if 1 < n_columns < _LEAST_SIDE and len(table) > 0.9 * len(rows):
        lists += [column for column in zip(*table, strict=True) if all(_LEVEL.fullmatch(token) for token in column[:_MOST])]
    else:
        lists.append([token for row in rows for token in row])
    for tokens in lists:
        if len(tokens) >= _LEAST and (symbols := _symbols(tokens[:_MOST])) is not None:
            yield symbols


def _symbols(tokens: Sequence[str]) -> Symbols | None:
    """Tokens as small whole numbers, many of them brought to few levels; None when they are too many, or all the same."""
    if len(set(tokens[: 4 * _MOST_SYMBOLS])) > _MOST_SYMBOLS or not 1 < len(found := set(tokens)) <= _MOST_SYMBOLS:
        return None
    places = {name: i for i, name in enumerate(sorted(found))}
    symbols = np.fromiter((places[token] for token in tokens), np.int64, len(tokens))
    if len(places) <= _LEVELS:
        return symbols
    values = _values(np.array(list(places)))
    levels = np.floor((values - values.min()) / np.ptp(values) * (_LEVELS - 1e-6))
    return np.asarray(levels[symbols], np.int64)


def _values(names: NDArray[np.str_]) -> NDArray[np.float64]:
    """What tokens stand for: numbers for themselves; others, such as hexadecimal ones, for their place in the alphabet."""
    try:
        values = np.array([float(name) for name in names])
    except ValueError:
        return np.arange(len(names), dtype=np.float64)
    return values if np.isfinite(values).all() and np.abs(values).max() < 1e9 else np.arange(len(names), dtype=np.float64)


def _is_drawn(grid: Symbols) -> bool:
    """Whether neighbours are alike more often, across and down, than the same columns of rows that lie apart."""
    n, width = grid.shape
    if n < _LEAST_SIDE or width < _LEAST_SIDE:
        return False
    apart = sorted({max(2, n * k // 8) for k in (2, 3, 4, 5, 6)})
    down = (grid[1:] == grid[:-1]).mean() - np.mean([(grid[k:] == grid[:-k]).mean() for k in apart])
    across = (grid[:, 1:] == grid[:, :-1]).mean() - np.mean([(np.roll(grid, k, axis=0)[:, 1:] == grid[:, :-1]).mean() for k in apart])
    return bool(min(down, across) > _ALIKE)


def _width(symbols: Symbols) -> int:
    """Number of columns at which a list repeats itself best, against those around it; 0 where it does nowhere."""
    n = len(symbols)
    size = 1 << int(np.ceil(np.log2(2 * n)))
    power = np.zeros(size // 2 + 1)
    for symbol in np.argsort(-np.bincount(symbols))[:_LEVELS]:
        spectrum = np.fft.rfft((symbols == symbol).astype(np.float32), size)
        power += spectrum.real**2 + spectrum.imag**2
    alike = np.fft.irfft(power, size)[:n] / np.arange(n, 0, -1)
    widths = np.arange(_LEAST_SIDE, min(_MOST_WIDE, n // _LEAST_SIDE) + 1)
    if not len(widths):
        return 0
    beside = np.maximum(4, widths // 4)
    peak = alike[widths] - np.maximum(alike[widths - beside], alike[np.minimum(widths + beside, n - 1)])
    best = int(np.argmax(peak))
    return int(widths[best]) if peak[best] > _ALIKE / 2 else 0
